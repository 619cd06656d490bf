// SPDX-License-Identifier: Apache-2.0
// Virtual channels, processing hints, precision time, data object exchange.
#include <array>

#include "sysfs/config_space/capability_decoders.hpp"

namespace devbindd::sysfs {
namespace {

// An arbitration table lies at so many times 16 bytes from the capability; null: there is none.
Value table_offset(std::uint32_t bits) {
  if (bits == 0) return {};
  return Hex{std::uint64_t{bits} * 16, 3};
}
Value reference_clock(std::uint32_t code) {
  if (code != 0) return {};
  return std::uint64_t{100};
}

constexpr BitField port_capabilities_1[] = {
    {"extended_vc_count", 0, 3},
    {"low_priority_vc_count", 4, 3},
    {"reference_clock_ns", 8, 2, reference_clock},
    {"port_arbitration_entry_bits", 10, 2, power_of_two},
};
constexpr BitField port_capabilities_2[] = {
    {"fixed", 0}, {"wrr32", 1}, {"wrr64", 2}, {"wrr128", 3}, {"arbitration_table_offset", 24, 8, table_offset}};
constexpr BitField port_control[] = {{"arbitration_select", 1, 3}};
constexpr BitField port_status[] = {{"arbitration_in_progress", 0}};

constexpr BitField channel_capabilities[] = {
    {"fixed", 0},
    {"wrr32", 1},
    {"wrr64", 2},
    {"wrr128", 3},
    {"twrr128", 4},
    {"wrr256", 5},
    {"reject_snoop", 15},
    {"max_time_slots", 16, 7, plus_one},
    {"arbitration_table_offset", 24, 8, table_offset},
};
Value traffic_classes(std::uint32_t map) { return Hex{map, 2}; }
constexpr BitField channel_control[] = {
    {"traffic_classes", 0, 8, traffic_classes}, {"arbitration_select", 17, 3}, {"id", 24, 3}, {"enable", 31}};
constexpr BitField channel_status[] = {{"arbitration_in_progress", 0}, {"negotiation_pending", 1}};

void decode_channels(RegisterReader& registers, unsigned count) {
  std::vector<Fields> channels;
  for (std::size_t at = 0; at < count; ++at) {
    const auto offset = 0x10 + 12 * at;
    const auto capability = registers.read("channels", offset, 4);
    const auto control = registers.read("channels", offset + 4, 4);
    const auto status = registers.read("channels", offset + 10, 2);
    if (!capability || !control || !status) break;
    channels.push_back({{"capabilities", register_fields(*capability, 4, channel_capabilities)},
                        {"control", register_fields(*control, 4, channel_control)},
                        {"status", register_fields(*status, 2, channel_status)}});
  }
  registers.add("channels", std::move(channels));
}

Value steering_table(std::uint32_t code) {
  constexpr std::array<const char*, 3> places = {"none", "capability", "msix"};
  if (code >= places.size()) return {};
  return std::string(places[code]);
}
constexpr BitField hint_capabilities[] = {
    {"no_steering_tag_mode", 0},
    {"interrupt_vector_mode", 1},
    {"device_specific_mode", 2},
    {"extended_requester", 8},
    {"steering_table", 9, 2, steering_table},
    {"steering_table_entries", 16, 11, plus_one},
};
constexpr BitField hint_control[] = {{"steering_tag_mode", 0, 3}, {"requester_enable", 8, 2}};

// 1 to 254 ns; 0 is unknown or not implemented, 255 anything above 254.
constexpr BitField time_capabilities[] = {
    {"requester", 0}, {"responder", 1}, {"root", 2}, {"local_clock_granularity_ns", 8, 8}};
constexpr BitField time_control[] = {{"enable", 0}, {"root_select", 1}, {"effective_granularity_ns", 8, 8}};

constexpr BitField exchange_capabilities[] = {{"interrupt_support", 0}, {"interrupt_message", 1, 11}};
constexpr BitField exchange_control[] = {{"interrupt_enable", 1}};
constexpr BitField exchange_status[] = {{"busy", 0}, {"interrupt_status", 1}, {"error", 2}, {"object_ready", 31}};

}  // namespace

void decode_virtual_channel(RegisterReader& registers, const CapabilityContext&) {
  const auto capability = registers.parts("port_capabilities_1", 4, 4, port_capabilities_1);
  registers.parts("port_capabilities_2", 8, 4, port_capabilities_2);
  registers.parts("port_control", 12, 2, port_control);
  registers.parts("port_status", 14, 2, port_status);
  if (capability) decode_channels(registers, bits_of(*capability, 0, 3) + 1);
}

void decode_processing_hints(RegisterReader& registers, const CapabilityContext&) {
  registers.parts("capabilities", 4, 4, hint_capabilities);
  registers.parts("control", 8, 4, hint_control);
}

void decode_precision_time(RegisterReader& registers, const CapabilityContext&) {
  registers.parts("capabilities", 4, 4, time_capabilities);
  registers.parts("control", 8, 4, time_control);
}

void decode_data_object_exchange(RegisterReader& registers, const CapabilityContext&) {
  registers.parts("capabilities", 4, 4, exchange_capabilities);
  registers.parts("control", 8, 4, exchange_control);
  registers.parts("status", 12, 4, exchange_status);
}

}  // namespace devbindd::sysfs
