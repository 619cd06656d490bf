// SPDX-License-Identifier: Apache-2.0
#include "sysfs/device/resource.hpp"

#include <algorithm>
#include <string>

#include "sysfs/kernel/fields.hpp"

namespace devbindd::sysfs {
namespace {

// include/linux/ioport.h
constexpr std::uint64_t flag_io = 0x100;
constexpr std::uint64_t flag_prefetch = 0x2000;
constexpr std::uint64_t flag_mem_64 = 0x100000;
constexpr std::uint64_t flag_unset = 0x20000000;

constexpr unsigned bar_lines = 6;
constexpr unsigned rom_line = 6;

std::optional<std::uint64_t> hex(std::string_view text) {
  if (!text.starts_with("0x")) return std::nullopt;
  return number_from<std::uint64_t>(text.substr(2), 16);
}

std::optional<std::array<std::uint64_t, 3>> three_numbers(std::string_view line) {
  std::array<std::uint64_t, 3> numbers{};
  for (std::size_t at = 0; at < numbers.size(); ++at) {
    const auto end = at + 1 < numbers.size() ? line.find(' ') : line.size();
    if (end == std::string_view::npos) return std::nullopt;
    const auto number = hex(line.substr(0, end));
    if (!number) return std::nullopt;
    numbers[at] = *number;
    line.remove_prefix(std::min(end + 1, line.size()));
  }
  return numbers;
}

// With PCI_IOV there are six lines of VF BARs between the ROM and a bridge's windows: 13 or 17 lines in all.
void place(Resource& resource, unsigned line, std::size_t lines) {
  const bool iov = lines == 13 || lines >= 17;
  if (line < bar_lines) {
    resource.kind = ResourceKind::Bar;
    resource.index = line;
  } else if (line == rom_line) {
    resource.kind = ResourceKind::Rom;
  } else if (iov && line < 13) {
    resource.kind = ResourceKind::VfBar;
    resource.index = line - 7;
  } else {
    resource.kind = ResourceKind::BridgeWindow;
    resource.index = line - (iov ? 13 : 7);
  }
}

}  // namespace

Result<std::vector<Resource>> parse_resources(std::string_view text) {
  std::vector<std::array<std::uint64_t, 3>> lines;
  while (!text.empty()) {
    const auto end = std::min(text.find('\n'), text.size());
    const auto numbers = three_numbers(text.substr(0, end));
    if (!numbers)
      return fail(ErrorCode::Kernel,
                  "line " + std::to_string(lines.size()) + " of a resource file is not three numbers");
    lines.push_back(*numbers);
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  std::vector<Resource> resources;
  for (unsigned line = 0; line < lines.size(); ++line) {
    const auto [start, last, flags] = lines[line];
    if (flags == 0) continue;
    Resource resource;
    place(resource, line, lines.size());
    resource.start = start;
    resource.size = last > start || (last == start && last != 0) ? last - start + 1 : 0;
    resource.flags = flags;
    resource.io = (flags & flag_io) != 0;
    resource.prefetchable = (flags & flag_prefetch) != 0;
    resource.is_64bit = (flags & flag_mem_64) != 0;
    resource.unassigned = (flags & flag_unset) != 0;
    if (resource.size > 0) resources.push_back(resource);
  }
  return resources;
}

const Resource* find_bar(const std::vector<Resource>& resources, unsigned index) {
  const auto found = std::ranges::find_if(resources, [index](const Resource& resource) {
    return resource.kind == ResourceKind::Bar && resource.index == index;
  });
  return found == resources.end() ? nullptr : &*found;
}

const Resource* find_rom(const std::vector<Resource>& resources) {
  const auto found =
      std::ranges::find_if(resources, [](const Resource& resource) { return resource.kind == ResourceKind::Rom; });
  return found == resources.end() ? nullptr : &*found;
}

}  // namespace devbindd::sysfs
