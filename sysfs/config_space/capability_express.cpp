// SPDX-License-Identifier: Apache-2.0
// PCI Express: device, slot and root registers (the link's are in capability_link.cpp).
#include <array>

#include "sysfs/config_space/capability_decoders.hpp"

namespace devbindd::sysfs {
namespace {

Value type_name(std::uint32_t type) {
  constexpr std::array<const char*, 11> names = {"endpoint",
                                                 "legacy_endpoint",
                                                 nullptr,
                                                 nullptr,
                                                 "root_port",
                                                 "upstream_port",
                                                 "downstream_port",
                                                 "pcie_to_pci_bridge",
                                                 "pci_to_pcie_bridge",
                                                 "root_complex_integrated_endpoint",
                                                 "root_complex_event_collector"};
  if (type >= names.size() || names[type] == nullptr) return {};
  return std::string(names[type]);
}

Value payload(std::uint32_t code) { return std::uint64_t{128} << code; }
Value phantom_functions(std::uint32_t code) { return (std::uint64_t{1} << code) - 1; }

// The latency in ns that an endpoint can put up with; null: no limit.
Value l0s_latency(std::uint32_t code) {
  constexpr std::array<std::uint64_t, 7> nanoseconds = {64, 128, 256, 512, 1000, 2000, 4000};
  if (code >= nanoseconds.size()) return {};
  return nanoseconds[code];
}

Value l1_latency(std::uint32_t code) {
  if (code >= 7) return {};
  return std::uint64_t{1000} << code;
}

// Slot power limit: 8 bits of value, 2 of scale (1, 0.1, 0.01, 0.001 W); 0xf0 to 0xfe at scale 0 go on from 250 W in
// steps of 25 W, and 0xff is anything above 600 W (null).
Value milliwatts(std::uint32_t value, std::uint32_t scale) {
  constexpr std::array<std::uint64_t, 4> scales = {1000, 100, 10, 1};
  if (scale == 0 && value == 0xff) return {};
  if (scale == 0 && value >= 0xf0) return (250 + 25 * std::uint64_t{value - 0xf0}) * 1000;
  return value * scales[scale & 3U];
}

Value slot_power(std::uint32_t bits) { return milliwatts(bits_of(bits, 0, 8), bits_of(bits, 8, 2)); }

Value indicator(std::uint32_t code) {
  constexpr std::array<const char*, 4> names = {nullptr, "on", "blink", "off"};
  if (names[code & 3U] == nullptr) return {};
  return std::string(names[code & 3U]);
}

// The ranges A (50 us to 10 ms), B (to 250 ms), C (to 4 s), D (to 64 s), as letters; "" is none.
Value timeout_ranges(std::uint32_t vector) {
  std::string letters;
  for (unsigned at = 0; at < 4; ++at) {
    if (bits_of(vector, at, 1) != 0) letters.push_back(static_cast<char>('A' + at));
  }
  return letters;
}

Value timeout_value(std::uint32_t code) {
  switch (code) {
    case 0: return std::string("50us to 50ms");
    case 1: return std::string("50us to 100us");
    case 2: return std::string("1ms to 10ms");
    case 5: return std::string("16ms to 55ms");
    case 6: return std::string("65ms to 210ms");
    case 9: return std::string("260ms to 900ms");
    case 10: return std::string("1s to 3.5s");
    case 13: return std::string("4s to 13s");
    case 14: return std::string("17s to 64s");
    default: return {};
  }
}

Value max_prefixes(std::uint32_t code) { return std::uint64_t{code == 0 ? 4 : code}; }

constexpr BitField flags[] = {
    {"version", 0, 4}, {"type", 4, 4, type_name}, {"slot_implemented", 8}, {"interrupt_message", 9, 5}};

constexpr BitField device_capabilities[] = {
    {"max_payload_bytes", 0, 3, payload},
    {"phantom_functions", 3, 2, phantom_functions},
    {"extended_tag", 5},
    {"l0s_acceptable_latency_ns", 6, 3, l0s_latency},
    {"l1_acceptable_latency_ns", 9, 3, l1_latency},
    {"attention_button", 12},
    {"attention_indicator", 13},
    {"power_indicator", 14},
    {"role_based_errors", 15},
    {"slot_power_limit_mw", 18, 10, slot_power},
    {"function_level_reset", 28},
};

constexpr BitField device_control[] = {
    {"correctable_errors", 0},
    {"nonfatal_errors", 1},
    {"fatal_errors", 2},
    {"unsupported_requests", 3},
    {"relaxed_ordering", 4},
    {"max_payload_bytes", 5, 3, payload},
    {"extended_tag", 8},
    {"phantom_functions", 9},
    {"aux_power", 10},
    {"no_snoop", 11},
    {"max_read_request_bytes", 12, 3, payload},
};

constexpr BitField device_status[] = {
    {"correctable_error", 0},   {"nonfatal_error", 1}, {"fatal_error", 2},
    {"unsupported_request", 3}, {"aux_power", 4},      {"transactions_pending", 5},
};

constexpr BitField slot_capabilities[] = {
    {"attention_button", 0},   {"power_controller", 1},
    {"mrl_sensor", 2},         {"attention_indicator", 3},
    {"power_indicator", 4},    {"hot_plug_surprise", 5},
    {"hot_plug", 6},           {"slot_power_limit_mw", 7, 10, slot_power},
    {"interlock", 17},         {"no_command_completed", 18},
    {"physical_slot", 19, 13},
};

constexpr BitField slot_control[] = {
    {"attention_button", 0},
    {"power_fault", 1},
    {"mrl_sensor", 2},
    {"presence_detect", 3},
    {"command_completed", 4},
    {"hot_plug_interrupt", 5},
    {"attention_indicator", 6, 2, indicator},
    {"power_indicator", 8, 2, indicator},
    {"power_controller_off", 10},
    {"interlock", 11},
    {"link_state_changed", 12},
};

constexpr BitField slot_status[] = {
    {"attention_button", 0}, {"power_fault", 1},       {"mrl_changed", 2},
    {"presence_changed", 3}, {"command_completed", 4}, {"mrl_open", 5},
    {"presence_detect", 6},  {"interlock", 7},         {"link_state_changed", 8},
};

constexpr BitField root_control[] = {
    {"correctable_errors", 0}, {"nonfatal_errors", 1}, {"fatal_errors", 2}, {"pme_interrupt", 3}, {"crs_visible", 4},
};
constexpr BitField root_capabilities[] = {{"crs_visible", 0}};

Value requester(std::uint32_t id) { return Hex{id, 4}; }
constexpr BitField root_status[] = {{"pme_requester", 0, 16, requester}, {"pme_status", 16}, {"pme_pending", 17}};

constexpr BitField device_capabilities_2[] = {
    {"completion_timeout_ranges", 0, 4, timeout_ranges},
    {"completion_timeout_disable", 4},
    {"ari_forwarding", 5},
    {"atomic_op_routing", 6},
    {"atomic_op_32bit", 7},
    {"atomic_op_64bit", 8},
    {"cas_128bit", 9},
    {"no_relaxed_ordered_passing", 10},
    {"latency_tolerance_reporting", 11},
    {"tph_completer", 12},
    {"extended_tph_completer", 13},
    {"ln_system_cls", 14, 2},
    {"tag_10bit_completer", 16},
    {"tag_10bit_requester", 17},
    {"obff_message", 18},
    {"obff_wake", 19},
    {"extended_fmt", 20},
    {"end_end_tlp_prefix", 21},
    {"max_end_end_tlp_prefixes", 22, 2, max_prefixes},
    {"emergency_power_reduction", 24, 2},
    {"emergency_power_reduction_init", 26},
    {"frs", 31},
};

constexpr BitField device_control_2[] = {
    {"completion_timeout", 0, 4, timeout_value},
    {"completion_timeout_disable", 4},
    {"ari_forwarding", 5},
    {"atomic_op_requester", 6},
    {"atomic_op_egress_blocking", 7},
    {"ido_request", 8},
    {"ido_completion", 9},
    {"latency_tolerance_reporting", 10},
    {"emergency_power_reduction_request", 11},
    {"tag_10bit_requester", 12},
    {"obff", 13, 2},
    {"end_end_tlp_prefix_blocking", 15},
};

void decode_device(RegisterReader& registers, unsigned type) {
  registers.parts("device_capabilities", 4, 4, device_capabilities);
  const auto control = registers.parts("device_control", 8, 2, device_control);
  const auto* last = type == port_type::pci_bridge ? "bridge_configuration_retry" : "initiate_function_level_reset";
  if (control) registers.add_to_last(last, bits_of(*control, 15, 1) != 0);
  registers.parts("device_status", 0x0a, 2, device_status);
}

void decode_slot(RegisterReader& registers) {
  registers.parts("slot_capabilities", 0x14, 4, slot_capabilities);
  registers.parts("slot_control", 0x18, 2, slot_control);
  registers.parts("slot_status", 0x1a, 2, slot_status);
}

void decode_root(RegisterReader& registers) {
  registers.parts("root_control", 0x1c, 2, root_control);
  registers.parts("root_capabilities", 0x1e, 2, root_capabilities);
  registers.parts("root_status", 0x20, 4, root_status);
}

bool may_have_slot(unsigned type) {
  return type == port_type::root_port || type == port_type::downstream_port || type == port_type::pcie_bridge;
}

}  // namespace

void decode_express(RegisterReader& registers, const CapabilityContext&) {
  const auto found = registers.parts("flags", 2, 2, flags);
  if (!found) return;
  const auto type = bits_of(*found, 4, 4);
  const bool link = type != port_type::root_complex_endpoint && type != port_type::event_collector;
  decode_device(registers, type);
  if (link) decode_link(registers);
  if (may_have_slot(type) && bits_of(*found, 8, 1) != 0) decode_slot(registers);
  if (type == port_type::root_port || type == port_type::event_collector) decode_root(registers);
  if (bits_of(*found, 0, 4) < 2) return;
  registers.parts("device_capabilities_2", 0x24, 4, device_capabilities_2);
  registers.parts("device_control_2", 0x28, 2, device_control_2);
  if (link) decode_link_2(registers);
}

}  // namespace devbindd::sysfs
