// SPDX-License-Identifier: Apache-2.0
#include "sysfs/firmware/device_place.hpp"

#include <algorithm>

#include "sysfs/kernel/paths.hpp"

namespace devbindd::sysfs {
namespace {

constexpr std::size_t most_functions = 1U << 20U;

}  // namespace

DevicePlace place_of(std::string_view sysfs_path) {
  DevicePlace place;
  while (!sysfs_path.empty()) {
    const auto end = std::min(sysfs_path.find('/'), sysfs_path.size());
    if (const auto address = parse_pci_address(sysfs_path.substr(0, end))) place.push_back(*address);
    sysfs_path.remove_prefix(std::min(end + 1, sysfs_path.size()));
  }
  return place;
}

std::vector<DevicePlace> list_places(const Tree& tree) {
  std::vector<DevicePlace> places;
  const auto links = tree.links(paths::devices, most_functions).value_or(std::vector<SymbolicLink>{});
  for (const auto& link : links) {
    auto place = place_of(link.target);
    if (!place.empty()) places.push_back(std::move(place));
  }
  std::ranges::sort(places, {}, [](const DevicePlace& place) { return place.back(); });
  return places;
}

PciAddress address_of_id(unsigned segment, unsigned id) {
  return {.domain = segment,
          .bus = static_cast<std::uint8_t>(id >> 8U),
          .slot = static_cast<std::uint8_t>((id >> 3U) & 0x1fU),
          .function = static_cast<std::uint8_t>(id & 7U)};
}

unsigned id_of(const PciAddress& address) {
  return static_cast<unsigned>(address.bus) << 8U | static_cast<unsigned>(address.slot) << 3U | address.function;
}

}  // namespace devbindd::sysfs
