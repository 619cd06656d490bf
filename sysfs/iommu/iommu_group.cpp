// SPDX-License-Identifier: Apache-2.0
#include "sysfs/iommu/iommu_group.hpp"

#include <algorithm>
#include <cerrno>
#include <charconv>

#include "sysfs/kernel/fields.hpp"
#include "sysfs/kernel/paths.hpp"

namespace devbindd::sysfs {

Result<IommuGroup> read_iommu_group(const Tree& tree, unsigned number) {
  const auto path = paths::iommu_group(number);
  auto names = tree.list(path + "/devices");
  if (!names) {
    if (names.error().errno_value != ENOENT) return std::unexpected(names.error());
    return fail(ErrorCode::GroupNotFound, "there is no IOMMU group " + std::to_string(number), 0, "/" + path);
  }
  IommuGroup group;
  group.number = number;
  for (const auto& name : *names) {
    if (const auto address = parse_pci_address(name)) {
      group.members.push_back(*address);
    } else {
      group.other_members.push_back(name);
    }
  }
  std::ranges::sort(group.members);
  if (auto type = tree.read(path + "/type")) group.type = *type;
  if (auto regions = tree.read(path + "/reserved_regions")) group.reserved_regions = parse_reserved_regions(*regions);
  group.no_iommu = tree.read(path + "/name").value_or("") == "vfio-noiommu";
  return group;
}

std::optional<unsigned> group_number_of(const Tree& tree, const PciAddress& address) {
  const auto name = link_name(tree, paths::attribute(address, "iommu_group"));
  return name && *name ? number_from<unsigned>(**name) : std::nullopt;
}

Result<std::vector<unsigned>> list_iommu_groups(const Tree& tree) {
  auto names = tree.list(paths::iommu_groups);
  if (!names) {
    if (names.error().errno_value == ENOENT) return std::vector<unsigned>{};
    return std::unexpected(names.error());
  }
  std::vector<unsigned> numbers;
  for (const auto& name : *names) {
    if (const auto number = number_from<unsigned>(name)) numbers.push_back(*number);
  }
  std::ranges::sort(numbers);
  return numbers;
}

ViabilityRule viability_rule(const Tree& tree) {
  const auto release = tree.read("proc/sys/kernel/osrelease");
  if (!release) return ViabilityRule::DmaOwnership;
  unsigned major = 0;
  unsigned minor = 0;
  const auto* const end = release->data() + release->size();
  const auto first = std::from_chars(release->data(), end, major);
  if (first.ec != std::errc{} || first.ptr == end || *first.ptr != '.') return ViabilityRule::DmaOwnership;
  if (std::from_chars(first.ptr + 1, end, minor).ec != std::errc{}) return ViabilityRule::DmaOwnership;
  return major < 5 || (major == 5 && minor < 19) ? ViabilityRule::KnownDrivers : ViabilityRule::DmaOwnership;
}

std::vector<ViabilityBlocker> viability_blockers(const std::vector<Device>& members, ViabilityRule rule) {
  std::vector<ViabilityBlocker> blockers;
  for (const auto& member : members) {
    if (!member.driver || member.vfio_device || is_vfio_driver(*member.driver)) continue;
    const bool harmless = rule == ViabilityRule::DmaOwnership
                              ? manages_dma(*member.driver)
                              : is_pci_bridge(member) || member.driver->text() == "pci-stub";
    if (!harmless) blockers.push_back({member.address, *member.driver});
  }
  return blockers;
}

std::vector<ReservedRegion> parse_reserved_regions(std::string_view text) {
  std::vector<ReservedRegion> regions;
  const auto number = [](std::string_view& rest) -> std::optional<std::uint64_t> {
    if (!rest.starts_with("0x")) return std::nullopt;
    std::uint64_t value = 0;
    const auto [end, error] = std::from_chars(rest.data() + 2, rest.data() + rest.size(), value, 16);
    if (error != std::errc{} || end == rest.data() + rest.size() || *end != ' ') return std::nullopt;
    rest.remove_prefix(static_cast<std::size_t>(end - rest.data()) + 1);
    return value;
  };
  while (!text.empty()) {
    const auto end = std::min(text.find('\n'), text.size());
    auto line = text.substr(0, end);
    const auto start = number(line);
    const auto last = start ? number(line) : std::nullopt;
    if (last && !line.empty()) regions.push_back({*start, *last, std::string(line)});
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return regions;
}

}  // namespace devbindd::sysfs
