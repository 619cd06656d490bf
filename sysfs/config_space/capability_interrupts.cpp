// SPDX-License-Identifier: Apache-2.0
// MSI and MSI-X.
#include "sysfs/config_space/capability_decoders.hpp"

namespace devbindd::sysfs {
namespace {

constexpr BitField msi_control[] = {
    {"enable", 0},
    {"vectors_capable", 1, 3, power_of_two},
    {"vectors_enabled", 4, 3, power_of_two},
    {"address_64bit", 7},
    {"per_vector_masking", 8},
    {"extended_data_capable", 9},
    {"extended_data_enable", 10},
};

constexpr BitField msi_x_control[] = {{"table_size", 0, 11, plus_one}, {"function_mask", 14}, {"enable", 15}};
constexpr BitField place[] = {{"bar", 0, 3}, {"offset", 3, 29, offset_in_bar}};

}  // namespace

void decode_msi(RegisterReader& registers, const CapabilityContext&) {
  const auto control = registers.parts("control", 2, 2, msi_control);
  if (!control) return;
  const bool wide = bits_of(*control, 7, 1) != 0;
  const auto low = registers.read("address", 4, 4);
  const auto high = wide ? registers.read("address", 8, 4) : std::optional<std::uint32_t>(0);
  if (low && high) registers.add("address", Hex{std::uint64_t{*high} << 32U | *low, wide ? 16U : 8U});
  const std::size_t data = wide ? 12 : 8;
  registers.hex("data", data, 2);
  if (bits_of(*control, 8, 1) == 0) return;
  registers.hex("mask", data + 4, 4);
  registers.hex("pending", data + 8, 4);
}

void decode_msi_x(RegisterReader& registers, const CapabilityContext&) {
  registers.parts("control", 2, 2, msi_x_control);
  registers.parts("table", 4, 4, place);
  registers.parts("pba", 8, 4, place);
}

}  // namespace devbindd::sysfs
