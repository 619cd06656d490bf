// SPDX-License-Identifier: Apache-2.0
// The decoders of the capabilities, by family: each reads the registers of one structure, whose first byte is the
// capability's own, through a bounded reader. Pure: the same bytes give the same fields.
// Bits and offsets: PCI Express Base Specification 6.0, chapter 7; Linux include/uapi/linux/pci_regs.h.
#pragma once

#include <cstdint>
#include <optional>

#include "sysfs/config_space/register_fields.hpp"

namespace devbindd::sysfs {

/// What else of the function decides how a capability is read.
struct CapabilityContext {
  std::uint16_t vendor = 0;
  std::uint16_t device = 0;
  std::optional<unsigned> port_type;  ///< device/port type of the PCI Express capability
};

namespace port_type {
constexpr unsigned endpoint = 0;
constexpr unsigned legacy_endpoint = 1;
constexpr unsigned root_port = 4;
constexpr unsigned upstream_port = 5;
constexpr unsigned downstream_port = 6;
constexpr unsigned pci_bridge = 7;   ///< PCI Express to PCI
constexpr unsigned pcie_bridge = 8;  ///< PCI to PCI Express
constexpr unsigned root_complex_endpoint = 9;
constexpr unsigned event_collector = 10;
}  // namespace port_type

// capability_power.cpp: 7.5.2, 7.8.2, 7.8.3
void decode_power_management(RegisterReader& registers, const CapabilityContext& context);
void decode_latency_tolerance(RegisterReader& registers, const CapabilityContext& context);
void decode_l1_substates(RegisterReader& registers, const CapabilityContext& context);

// capability_interrupts.cpp: 7.7.1, 7.7.2
void decode_msi(RegisterReader& registers, const CapabilityContext& context);
void decode_msi_x(RegisterReader& registers, const CapabilityContext& context);

// capability_express.cpp, capability_link.cpp: 7.5.3
void decode_express(RegisterReader& registers, const CapabilityContext& context);
void decode_link(RegisterReader& registers);
void decode_link_2(RegisterReader& registers);

// capability_errors.cpp: 7.8.4, 7.9.14
void decode_error_reporting(RegisterReader& registers, const CapabilityContext& context);
void decode_containment(RegisterReader& registers, const CapabilityContext& context);

// capability_isolation.cpp: 7.7.11, 7.8.8, 10.5; who may talk to whom
void decode_access_control(RegisterReader& registers, const CapabilityContext& context);
void decode_routing_id(RegisterReader& registers, const CapabilityContext& context);
void decode_address_translation(RegisterReader& registers, const CapabilityContext& context);
void decode_page_request(RegisterReader& registers, const CapabilityContext& context);
void decode_process_address_space(RegisterReader& registers, const CapabilityContext& context);

// capability_resources.cpp: 7.8.6, 7.8.7, 9.3.3
void decode_sriov(RegisterReader& registers, const CapabilityContext& context);
void decode_resizable_bar(RegisterReader& registers, const CapabilityContext& context);

// capability_traffic.cpp: 7.9.1, 7.9.13, 7.9.15
void decode_virtual_channel(RegisterReader& registers, const CapabilityContext& context);
void decode_processing_hints(RegisterReader& registers, const CapabilityContext& context);
void decode_precision_time(RegisterReader& registers, const CapabilityContext& context);
void decode_data_object_exchange(RegisterReader& registers, const CapabilityContext& context);

// capability_identity.cpp: 7.9.3, 7.9.5, 7.9.6, 7.9.4; PCI Bridge 1.2, 13.2.5; Virtio 1.2, 4.1.4
void decode_vendor(RegisterReader& registers, const CapabilityContext& context);
void decode_extended_vendor(RegisterReader& registers, const CapabilityContext& context);
void decode_designated_vendor(RegisterReader& registers, const CapabilityContext& context);
void decode_serial_number(RegisterReader& registers, const CapabilityContext& context);
void decode_subsystem(RegisterReader& registers, const CapabilityContext& context);
void decode_slot_id(RegisterReader& registers, const CapabilityContext& context);
void decode_debug_port(RegisterReader& registers, const CapabilityContext& context);
void decode_advanced_features(RegisterReader& registers, const CapabilityContext& context);

/// "2.5GT/s" of a link speed number; null for none and for numbers not assigned.
Value link_speed(std::uint32_t code);

}  // namespace devbindd::sysfs
