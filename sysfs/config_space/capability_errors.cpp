// SPDX-License-Identifier: Apache-2.0
// Advanced error reporting, downstream port containment.
#include "sysfs/config_space/capability_decoders.hpp"

namespace devbindd::sysfs {
namespace {

constexpr BitField uncorrectable[] = {
    {"data_link_protocol", 4},
    {"surprise_down", 5},
    {"poisoned_tlp", 12},
    {"flow_control_protocol", 13},
    {"completion_timeout", 14},
    {"completer_abort", 15},
    {"unexpected_completion", 16},
    {"receiver_overflow", 17},
    {"malformed_tlp", 18},
    {"ecrc", 19},
    {"unsupported_request", 20},
    {"acs_violation", 21},
    {"internal", 22},
    {"multicast_blocked_tlp", 23},
    {"atomic_op_egress_blocked", 24},
    {"tlp_prefix_blocked", 25},
    {"poisoned_tlp_egress_blocked", 26},
};

constexpr BitField correctable[] = {
    {"receiver", 0},        {"bad_tlp", 6},
    {"bad_dllp", 7},        {"replay_rollover", 8},
    {"replay_timeout", 12}, {"advisory_nonfatal", 13},
    {"internal", 14},       {"header_log_overflow", 15},
};

constexpr BitField error_capabilities[] = {
    {"first_error", 0, 5},          {"ecrc_generation_capable", 5}, {"ecrc_generation_enable", 6},
    {"ecrc_check_capable", 7},      {"ecrc_check_enable", 8},       {"multiple_header_capable", 9},
    {"multiple_header_enable", 10}, {"tlp_prefix_log_present", 11}, {"completion_timeout_log_capable", 12},
};

constexpr BitField root_command[] = {{"correctable_enable", 0}, {"nonfatal_enable", 1}, {"fatal_enable", 2}};

constexpr BitField error_root_status[] = {
    {"correctable_received", 0},
    {"multiple_correctable_received", 1},
    {"uncorrectable_received", 2},
    {"multiple_uncorrectable_received", 3},
    {"first_uncorrectable_fatal", 4},
    {"nonfatal_received", 5},
    {"fatal_received", 6},
    {"interrupt_message", 27, 5},
};

void decode_header_log(RegisterReader& registers) {
  Fields log;
  constexpr std::string_view names[] = {"dword_0", "dword_1", "dword_2", "dword_3"};
  for (std::size_t at = 0; at < 4; ++at) {
    if (const auto raw = registers.read("header_log", 0x1c + 4 * at, 4)) log.push_back({names[at], Hex{*raw, 8}});
  }
  registers.add("header_log", std::move(log));
}

constexpr BitField containment_capabilities[] = {
    {"interrupt_message", 0, 5}, {"root_port_extensions", 5}, {"poisoned_tlp_egress_blocking", 6},
    {"software_trigger", 7},     {"rp_pio_log_size", 8, 4},   {"dl_active_err_cor", 12},
};

constexpr BitField containment_control[] = {
    {"trigger_enable", 0, 2}, {"completion_control", 2},           {"interrupt_enable", 3},
    {"err_cor_enable", 4},    {"poisoned_tlp_egress_blocking", 5}, {"software_trigger", 6},
    {"dl_active_err_cor", 7},
};

constexpr BitField containment_status[] = {
    {"triggered", 0},      {"reason", 1, 2},           {"interrupt_status", 3},
    {"root_port_busy", 4}, {"reason_extension", 5, 2}, {"rp_pio_first_error", 8, 5},
};

}  // namespace

void decode_error_reporting(RegisterReader& registers, const CapabilityContext& context) {
  registers.parts("uncorrectable_status", 0x04, 4, uncorrectable);
  registers.parts("uncorrectable_mask", 0x08, 4, uncorrectable);
  registers.parts("uncorrectable_severity", 0x0c, 4, uncorrectable);
  registers.parts("correctable_status", 0x10, 4, correctable);
  registers.parts("correctable_mask", 0x14, 4, correctable);
  registers.parts("capabilities", 0x18, 4, error_capabilities);
  decode_header_log(registers);
  if (context.port_type != port_type::root_port && context.port_type != port_type::event_collector) return;
  registers.parts("root_command", 0x2c, 4, root_command);
  registers.parts("root_status", 0x30, 4, error_root_status);
  registers.hex("correctable_source", 0x34, 2);
  registers.hex("uncorrectable_source", 0x36, 2);
}

void decode_containment(RegisterReader& registers, const CapabilityContext&) {
  registers.parts("capabilities", 4, 2, containment_capabilities);
  registers.parts("control", 6, 2, containment_control);
  registers.parts("status", 8, 2, containment_status);
  registers.hex("source", 10, 2);
}

}  // namespace devbindd::sysfs
