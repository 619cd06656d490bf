// SPDX-License-Identifier: Apache-2.0
// Who else has the memory of a PCI function.
#include <algorithm>
#include <array>
#include <cctype>
#include <optional>

#include "sysfs/device/resource.hpp"
#include "sysfs/iommu/iommu_group.hpp"
#include "sysfs/use/kernel_users.hpp"

namespace devbindd::sysfs {
namespace {

constexpr std::size_t most_firmware_bytes = 4U << 20U;

struct Region {
  std::uint64_t start = 0;
  std::uint64_t last = 0;
  std::string_view owner = {};
};

// "  90000000-902fffff : 0000:01:00.0"
std::optional<Region> region_from(std::string_view line) {
  const auto words = words_of(line);
  const auto colon = line.find(" : ");
  if (words.size() < 3 || colon == std::string_view::npos) return std::nullopt;
  const auto dash = words[0].find('-');
  if (dash == std::string_view::npos) return std::nullopt;
  const auto start = number_from<std::uint64_t>(words[0].substr(0, dash), 16);
  const auto last = number_from<std::uint64_t>(words[0].substr(dash + 1), 16);
  if (!start || !last) return std::nullopt;
  return Region{*start, *last, line.substr(colon + 3)};
}

// "pnp 00:05", and the name of an ACPI device: "INT34C5:00", "MSFT0101:00", "PNP0C02:1e".
bool is_platform_device(std::string_view owner) {
  if (owner.starts_with("pnp ")) return true;
  const auto colon = owner.find(':');
  if (colon != 7 && colon != 8) return false;
  if (owner.size() != colon + 3) return false;
  return std::ranges::all_of(owner.substr(0, colon), [](unsigned char letter) {
    return std::isupper(letter) != 0 || std::isdigit(letter) != 0;
  });
}

bool is_firmware(std::string_view owner) {
  constexpr std::array<std::string_view, 4> names = {"Reserved", "ACPI ", "Persistent Memory", "Soft Reserved"};
  return is_platform_device(owner) ||
         std::ranges::any_of(names, [owner](std::string_view name) { return owner.starts_with(name); });
}

bool overlaps(const Region& region, const Resource& bar) {
  if (bar.kind != ResourceKind::Bar || bar.io || bar.unassigned || bar.size == 0) return false;
  return region.start <= bar.start + (bar.size - 1) && region.last >= bar.start;
}

void add_owners(std::string_view iomem, const std::vector<Resource>& bars, std::vector<Use>& uses, bool& addresses) {
  for (const auto line : lines_of(iomem)) {
    const auto region = region_from(line);
    if (!region) continue;
    addresses = addresses || region->last != 0;
    const bool messages = region->owner.starts_with("ramoops:");  // fs/pstore/ram.c: one entry for each record
    const bool kernel = messages || region->owner.starts_with("System RAM");
    if (!kernel && !is_firmware(region->owner)) continue;
    if (std::ranges::none_of(bars, [&region](const Resource& bar) { return overlaps(*region, bar); })) continue;
    Use use{.kind = kernel ? UseKind::KernelUse : UseKind::Firmware,
            .subject = messages ? "it keeps its last messages there (ramoops)" : std::string(region->owner)};
    if (!messages || std::ranges::find(uses, use) == uses.end()) uses.push_back(std::move(use));
  }
}

void add_reserved_regions(const Tree& tree, const std::string& device_path, std::vector<Use>& uses) {
  const auto text = tree.read(device_path + "/iommu_group/reserved_regions", most_firmware_bytes);
  const auto regions = parse_reserved_regions(text.value_or(""));
  const bool used = std::ranges::any_of(regions, [](const ReservedRegion& region) { return region.kind == "direct"; });
  if (used) uses.push_back({.kind = UseKind::Firmware, .subject = "memory that the firmware has it read and write"});
}

}  // namespace

std::vector<Use> firmware_uses(const Tree& tree, const std::string& device_path, std::string* not_visible) {
  std::vector<Use> uses;
  add_reserved_regions(tree, device_path, uses);
  const auto resource = tree.read(device_path + "/resource");
  const auto bars = resource ? parse_resources(*resource) : Result<std::vector<Resource>>();
  if (!bars || bars->empty()) return uses;
  const auto iomem = tree.read("proc/iomem", most_firmware_bytes);
  bool addresses = false;
  if (iomem) add_owners(*iomem, *bars, uses, addresses);
  if (!addresses && not_visible != nullptr) *not_visible = "/proc/iomem shows no addresses to this process";
  return uses;
}

}  // namespace devbindd::sysfs
