// SPDX-License-Identifier: Apache-2.0
#include "sysfs/device/sriov.hpp"

#include <array>
#include <cstdio>

#include "sysfs/kernel/fields.hpp"
#include "sysfs/kernel/paths.hpp"

namespace devbindd::sysfs {
namespace {

unsigned number(const Tree& tree, const PciAddress& address, std::string_view name) {
  return number_from<unsigned>(tree.read(paths::attribute(address, name)).value_or("")).value_or(0);
}

// "10ca"
std::optional<std::uint16_t> function_id(const Tree& tree, const PciAddress& address) {
  return number_from<std::uint16_t>(tree.read(paths::attribute(address, "sriov_vf_device")).value_or(""), 16);
}

}  // namespace

// "pci:v00008086d000010C9sv...": the device ID is the eight digits behind the vendor's.
std::string function_modalias(const Tree& tree, const Device& physical) {
  constexpr std::size_t place = 14;
  const auto id = function_id(tree, physical.address);
  auto modalias = physical.modalias;
  if (!id || modalias.size() < place + 8) return {};
  std::array<char, 9> digits{};
  std::snprintf(digits.data(), digits.size(), "%08X", unsigned{*id});
  return modalias.replace(place, 8, digits.data());
}

std::optional<Sriov> read_sriov(const Tree& tree, const Device& device) {
  if (!device.sriov_totalvfs) return std::nullopt;
  return Sriov{
      .total = *device.sriov_totalvfs,
      .offset = number(tree, device.address, "sriov_offset"),
      .stride = number(tree, device.address, "sriov_stride"),
      .function_id = function_id(tree, device.address),
      .autoprobe = tree.read(paths::attribute(device.address, "sriov_drivers_autoprobe")).value_or("1") != "0"};
}

std::optional<PciAddress> function_address(const PciAddress& physical, const Sriov& sriov, unsigned index) {
  const std::uint64_t own = physical.bus * 256U + physical.slot * 8U + physical.function;
  const std::uint64_t routing_id = own + sriov.offset + std::uint64_t{sriov.stride} * index;
  const bool distinct = sriov.offset > 0 && (index == 0 || sriov.stride > 0);
  if (!distinct || routing_id > 0xffff) return std::nullopt;
  return PciAddress{.domain = physical.domain,
                    .bus = static_cast<std::uint8_t>(routing_id >> 8U),
                    .slot = static_cast<std::uint8_t>((routing_id >> 3U) & 0x1fU),
                    .function = static_cast<std::uint8_t>(routing_id & 7U)};
}

}  // namespace devbindd::sysfs
