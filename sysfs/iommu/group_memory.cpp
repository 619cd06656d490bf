// SPDX-License-Identifier: Apache-2.0
#include "sysfs/iommu/group_memory.hpp"

#include <algorithm>

namespace devbindd::sysfs {
namespace {

std::string upper(std::string text) {
  std::ranges::transform(text, text.begin(), [](char letter) {
    return letter >= 'a' && letter <= 'z' ? static_cast<char>(letter - 32) : letter;
  });
  return text;
}

std::string addresses_of(const std::vector<DevicePlace>& members, const FirmwareMemory& memory) {
  std::string text;
  for (const auto& address : devices_of(memory.scopes, members))
    text += (text.empty() ? "" : ", ") + to_string(address);
  return text;
}

}  // namespace

bool may_be_of_firmware(const ReservedRegion& region) { return region.kind != "msi"; }

bool keeps_vfio_out(const ReservedRegion& region) { return region.kind == "direct"; }

const FirmwareMemory* origin_of(const ReservedRegion& region, const std::vector<DevicePlace>& members,
                                const FirmwareDescription& firmware) {
  if (!may_be_of_firmware(region)) return nullptr;
  for (const auto& memory : firmware.memory) {
    if (memory.end < region.start || memory.start > region.end) continue;
    if (std::ranges::any_of(members, [&memory](const DevicePlace& place) { return covers(memory.scopes, place); }))
      return &memory;
  }
  return nullptr;
}

std::string refusal_of(const IommuGroup& group, const std::vector<DevicePlace>& members,
                       const FirmwareDescription& firmware) {
  for (const auto& region : group.reserved_regions) {
    if (!keeps_vfio_out(region)) continue;
    const auto range = hex_number(region.start) + "-" + hex_number(region.end);
    const auto* memory = origin_of(region, members, firmware);
    const auto who = memory == nullptr ? "The firmware, by a table that does not show which,"
                                       : "The firmware's table " + memory->table + " (" + upper(memory->kind) + ")";
    const auto whom = memory == nullptr ? std::string("a member") : addresses_of(members, *memory);
    return who + " wants " + whom + " to reach the memory " + range +
           " at all times, so the kernel refuses the group to VFIO, however viable it is.";
  }
  return "";
}

std::map<unsigned, std::string> refused_groups(const Tree& tree, const FirmwareDescription& firmware) {
  std::map<unsigned, std::string> refused;
  if (firmware.memory.empty()) return refused;
  std::map<unsigned, std::vector<DevicePlace>> members;
  for (const auto& place : list_places(tree)) {
    const bool named = std::ranges::any_of(
        firmware.memory, [&place](const FirmwareMemory& memory) { return covers(memory.scopes, place); });
    if (!named) continue;
    if (const auto number = group_number_of(tree, place.back())) members[*number].push_back(place);
  }
  for (const auto& [number, places] : members) {
    const auto group = read_iommu_group(tree, number);
    auto why = group ? refusal_of(*group, places, firmware) : std::string{};
    if (!why.empty()) refused.emplace(number, std::move(why));
  }
  return refused;
}

}  // namespace devbindd::sysfs
