// SPDX-License-Identifier: Apache-2.0
// Power management, latency tolerance, L1 substates.
#include <array>

#include "sysfs/config_space/capability_decoders.hpp"

namespace devbindd::sysfs {
namespace {

Value auxiliary_current(std::uint32_t code) {
  constexpr std::array<std::uint64_t, 8> milliampere = {0, 55, 100, 160, 220, 270, 320, 375};
  return milliampere[code & 7U];
}

Value power_state(std::uint32_t state) { return "D" + std::to_string(state); }

constexpr BitField power_capabilities[] = {
    {"version", 0, 3},
    {"pme_clock", 3},
    {"immediate_readiness", 4},
    {"device_specific_initialization", 5},
    {"aux_current_ma", 6, 3, auxiliary_current},
    {"d1", 9},
    {"d2", 10},
    {"pme_d0", 11},
    {"pme_d1", 12},
    {"pme_d2", 13},
    {"pme_d3hot", 14},
    {"pme_d3cold", 15},
};

constexpr BitField power_control[] = {
    {"state", 0, 2, power_state}, {"no_soft_reset", 3},  {"pme_enable", 8},
    {"data_select", 9, 4},        {"data_scale", 13, 2}, {"pme_status", 15},
};

constexpr BitField power_bridge[] = {{"b2_on_d3hot", 6}, {"bus_power_clock_control", 7}};

// A latency or threshold of LTR: 10 bits of value, a scale of 32^n ns; 6 and 7 are not permitted.
Value scaled_nanoseconds(std::uint32_t value, std::uint32_t scale) {
  if (scale > 5) return {};
  return std::uint64_t{value} << (5 * scale);
}

Value ltr_nanoseconds(std::uint32_t bits) { return scaled_nanoseconds(bits_of(bits, 0, 10), bits_of(bits, 10, 3)); }

constexpr BitField latency[] = {{"nanoseconds", 0, 13, ltr_nanoseconds}, {"requirement", 15}};

// T_POWER_ON: a scale of 2, 10 or 100 us in bits 0 and 1, the value from bit 3 on.
Value power_on_microseconds(std::uint32_t bits) {
  constexpr std::array<std::uint64_t, 3> scales = {2, 10, 100};
  const auto scale = bits_of(bits, 0, 2);
  if (scale >= scales.size()) return {};
  return scales[scale] * bits_of(bits, 3, 5);
}

constexpr BitField substate_capabilities[] = {
    {"pci_pm_l1_2", 0},
    {"pci_pm_l1_1", 1},
    {"aspm_l1_2", 2},
    {"aspm_l1_1", 3},
    {"l1_pm_substates", 4},
    {"common_mode_restore_us", 8, 8},
    {"power_on_us", 16, 8, power_on_microseconds},
};

constexpr BitField substate_control_1[] = {
    {"pci_pm_l1_2", 0}, {"pci_pm_l1_1", 1}, {"aspm_l1_2", 2}, {"aspm_l1_1", 3}, {"common_mode_restore_us", 8, 8},
};

constexpr BitField substate_control_2[] = {{"power_on_us", 0, 8, power_on_microseconds}};

}  // namespace

void decode_power_management(RegisterReader& registers, const CapabilityContext&) {
  registers.parts("capabilities", 2, 2, power_capabilities);
  registers.parts("control_status", 4, 2, power_control);
  registers.parts("bridge", 6, 1, power_bridge);
  registers.number("data", 7, 1);
}

void decode_latency_tolerance(RegisterReader& registers, const CapabilityContext&) {
  registers.parts("max_snoop", 4, 2, latency);
  registers.parts("max_no_snoop", 6, 2, latency);
}

void decode_l1_substates(RegisterReader& registers, const CapabilityContext&) {
  registers.parts("capabilities", 4, 4, substate_capabilities);
  if (const auto control = registers.parts("control_1", 8, 4, substate_control_1)) {
    registers.add_to_last("ltr_l1_2_threshold_ns",
                          scaled_nanoseconds(bits_of(*control, 16, 10), bits_of(*control, 29, 3)));
  }
  registers.parts("control_2", 12, 4, substate_control_2);
}

}  // namespace devbindd::sysfs
