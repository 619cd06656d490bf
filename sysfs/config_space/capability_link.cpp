// SPDX-License-Identifier: Apache-2.0
// The link registers of the PCI Express capability.
#include <array>

#include "sysfs/config_space/capability_decoders.hpp"

namespace devbindd::sysfs {

Value link_speed(std::uint32_t code) {
  constexpr std::array<const char*, 6> speeds = {"2.5GT/s", "5GT/s", "8GT/s", "16GT/s", "32GT/s", "64GT/s"};
  if (code == 0 || code > speeds.size()) return {};
  return std::string(speeds[code - 1]);
}

namespace {

// The longest exit latency in ns that the code stands for; null for "more than 4 us".
Value l0s_exit_latency(std::uint32_t code) {
  constexpr std::array<std::uint64_t, 7> nanoseconds = {64, 128, 256, 512, 1000, 2000, 4000};
  if (code >= nanoseconds.size()) return {};
  return nanoseconds[code];
}

Value l1_exit_latency(std::uint32_t code) {
  if (code >= 7) return {};
  return std::uint64_t{1000} << code;
}

Value read_completion_boundary(std::uint32_t code) { return std::uint64_t{code != 0 ? 128U : 64U}; }

Value supported_speeds(std::uint32_t vector) {
  std::vector<std::string> speeds;
  for (std::uint32_t code = 1; code <= 6; ++code) {
    if (bits_of(vector, code - 1, 1) != 0) speeds.push_back(std::get<std::string>(link_speed(code)));
  }
  return speeds;
}

Value deemphasis(std::uint32_t code) { return std::string(code == 0 ? "-6dB" : "-3.5dB"); }

Value crosslink_resolution(std::uint32_t code) {
  constexpr std::array<const char*, 4> names = {"unsupported", "upstream_port", "downstream_port", "incomplete"};
  return std::string(names[code & 3U]);
}

Value component_presence(std::uint32_t code) {
  constexpr std::array<const char*, 6> names = {"link_down", "link_down_not_present", "link_down_present",
                                                nullptr,     "link_up_present",       "link_up_drs_received"};
  if (code >= names.size() || names[code] == nullptr) return {};
  return std::string(names[code]);
}

constexpr BitField capabilities[] = {
    {"max_speed", 0, 4, link_speed},
    {"max_width", 4, 6},
    {"aspm_l0s", 10},
    {"aspm_l1", 11},
    {"l0s_exit_latency_ns", 12, 3, l0s_exit_latency},
    {"l1_exit_latency_ns", 15, 3, l1_exit_latency},
    {"clock_power_management", 18},
    {"surprise_down_reporting", 19},
    {"link_active_reporting", 20},
    {"bandwidth_notification", 21},
    {"aspm_optionality_compliance", 22},
    {"port_number", 24, 8},
};

constexpr BitField control[] = {
    {"aspm_l0s", 0},
    {"aspm_l1", 1},
    {"read_completion_boundary_bytes", 3, 1, read_completion_boundary},
    {"disabled", 4},
    {"common_clock", 6},
    {"extended_synch", 7},
    {"clock_power_management", 8},
    {"autonomous_width_disable", 9},
    {"bandwidth_interrupt", 10},
    {"autonomous_bandwidth_interrupt", 11},
};

constexpr BitField link_status[] = {
    {"speed", 0, 4, link_speed}, {"width", 4, 6},     {"training_error", 10},       {"training", 11},
    {"slot_clock", 12},          {"link_active", 13}, {"bandwidth_management", 14}, {"autonomous_bandwidth", 15},
};

constexpr BitField capabilities_2[] = {
    {"supported_speeds", 1, 7, supported_speeds},
    {"crosslink", 8},
    {"retimer_detection", 23},
    {"two_retimers_detection", 24},
    {"device_readiness_status", 31},
};

constexpr BitField control_2[] = {
    {"target_speed", 0, 4, link_speed},
    {"enter_compliance", 4},
    {"autonomous_speed_disable", 5},
    {"selectable_deemphasis", 6, 1, deemphasis},
    {"transmit_margin", 7, 3},
    {"enter_modified_compliance", 10},
    {"compliance_sos", 11},
    {"compliance_preset", 12, 4},
};

constexpr BitField status_2[] = {
    {"current_deemphasis", 0, 1, deemphasis},
    {"equalization_complete", 1},
    {"equalization_phase_1", 2},
    {"equalization_phase_2", 3},
    {"equalization_phase_3", 4},
    {"link_equalization_request", 5},
    {"retimer_present", 6},
    {"two_retimers_present", 7},
    {"crosslink_resolution", 8, 2, crosslink_resolution},
    {"component_presence", 12, 3, component_presence},
    {"drs_received", 15},
};

}  // namespace

void decode_link(RegisterReader& registers) {
  registers.parts("link_capabilities", 0x0c, 4, capabilities);
  registers.parts("link_control", 0x10, 2, control);
  registers.parts("link_status", 0x12, 2, link_status);
}

void decode_link_2(RegisterReader& registers) {
  registers.parts("link_capabilities_2", 0x2c, 4, capabilities_2);
  registers.parts("link_control_2", 0x30, 2, control_2);
  registers.parts("link_status_2", 0x32, 2, status_2);
}

}  // namespace devbindd::sysfs
