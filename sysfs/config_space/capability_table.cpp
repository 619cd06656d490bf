// SPDX-License-Identifier: Apache-2.0
// IDs: PCI Code and ID Assignment Specification 1.15, 2 and 3; Linux include/uapi/linux/pci_regs.h.
#include "sysfs/config_space/capability_table.hpp"

#include <algorithm>
#include <span>

namespace devbindd::sysfs {
namespace {

constexpr CapabilityKind standard_kinds[] = {
    {0x00, "null", "Null"},
    {0x01, "pm", "Power Management", decode_power_management},
    {0x02, "agp", "Accelerated Graphics Port"},
    {0x03, "vpd", "Vital Product Data"},
    {0x04, "slotid", "Slot Identification", decode_slot_id},
    {0x05, "msi", "Message Signaled Interrupts", decode_msi},
    {0x06, "chswp", "CompactPCI Hot Swap"},
    {0x07, "pcix", "PCI-X"},
    {0x08, "ht", "HyperTransport"},
    {0x09, "vndr", "Vendor-Specific", decode_vendor},
    {0x0a, "dbg", "Debug Port", decode_debug_port},
    {0x0b, "ccrc", "CompactPCI Central Resource Control"},
    {0x0c, "shpc", "Standard Hot-Plug Controller"},
    {0x0d, "ssvid", "Bridge Subsystem IDs", decode_subsystem},
    {0x0e, "agp3", "AGP 8x"},
    {0x0f, "secdev", "Secure Device"},
    {express_id, "exp", "PCI Express", decode_express},
    {0x11, "msix", "MSI-X", decode_msi_x},
    {0x12, "sata", "Serial ATA Configuration"},
    {0x13, "af", "Advanced Features", decode_advanced_features},
    {0x14, "ea", "Enhanced Allocation"},
    {0x15, "fpb", "Flattening Portal Bridge"},
};

constexpr CapabilityKind extended_kinds[] = {
    {0x00, "null", "Null"},
    {0x01, "aer", "Advanced Error Reporting", decode_error_reporting},
    {0x02, "vc", "Virtual Channel", decode_virtual_channel},
    {0x03, "dsn", "Device Serial Number", decode_serial_number},
    {0x04, "pwr", "Power Budgeting"},
    {0x05, "rcld", "Root Complex Link Declaration"},
    {0x06, "rcilc", "Root Complex Internal Link Control"},
    {0x07, "rcec", "Root Complex Event Collector Endpoint Association"},
    {0x08, "mfvc", "Multi-Function Virtual Channel"},
    {0x09, "vc", "Virtual Channel", decode_virtual_channel},  // beside MFVC
    {0x0a, "rcrb", "Root Complex Register Block"},
    {0x0b, "vsec", "Vendor-Specific Extended", decode_extended_vendor},
    {0x0c, "cac", "Configuration Access Correlation"},
    {0x0d, "acs", "Access Control Services", decode_access_control},
    {0x0e, "ari", "Alternative Routing-ID Interpretation", decode_routing_id},
    {0x0f, "ats", "Address Translation Services", decode_address_translation},
    {0x10, "sriov", "Single Root I/O Virtualization", decode_sriov},
    {0x11, "mriov", "Multi-Root I/O Virtualization"},
    {0x12, "mcast", "Multicast"},
    {0x13, "pri", "Page Request Interface", decode_page_request},
    {0x14, "amd", "Reserved for AMD"},
    {0x15, "rebar", "Resizable BAR", decode_resizable_bar},
    {0x16, "dpa", "Dynamic Power Allocation"},
    {0x17, "tph", "TPH Requester", decode_processing_hints},
    {0x18, "ltr", "Latency Tolerance Reporting", decode_latency_tolerance},
    {0x19, "secpci", "Secondary PCI Express"},
    {0x1a, "pmux", "Protocol Multiplexing"},
    {0x1b, "pasid", "Process Address Space ID", decode_process_address_space},
    {0x1c, "lnr", "LN Requester"},
    {0x1d, "dpc", "Downstream Port Containment", decode_containment},
    {0x1e, "l1ss", "L1 PM Substates", decode_l1_substates},
    {0x1f, "ptm", "Precision Time Measurement", decode_precision_time},
    {0x20, "mphy", "PCI Express over M-PHY"},
    {0x21, "frs", "FRS Queueing"},
    {0x22, "rtr", "Readiness Time Reporting"},
    {0x23, "dvsec", "Designated Vendor-Specific Extended", decode_designated_vendor},
    {0x24, "vf_rebar", "VF Resizable BAR", decode_resizable_bar},
    {0x25, "dlf", "Data Link Feature"},
    {0x26, "pl_16gt", "Physical Layer 16.0 GT/s"},
    {0x27, "lmr", "Lane Margining at the Receiver"},
    {0x28, "hierarchy_id", "Hierarchy ID"},
    {0x29, "npem", "Native PCIe Enclosure Management"},
    {0x2a, "pl_32gt", "Physical Layer 32.0 GT/s"},
    {0x2b, "alternate_protocol", "Alternate Protocol"},
    {0x2c, "sfi", "System Firmware Intermediary"},
    {0x2d, "shadow", "Shadow Functions"},
    {0x2e, "doe", "Data Object Exchange", decode_data_object_exchange},
    {0x2f, "dev3", "Device 3"},
    {0x30, "ide", "Integrity and Data Encryption"},
    {0x31, "pl_64gt", "Physical Layer 64.0 GT/s"},
};

}  // namespace

const CapabilityKind* capability_kind(ListKind list, std::uint16_t id) {
  const auto kinds = list == ListKind::Standard ? std::span<const CapabilityKind>(standard_kinds)
                                                : std::span<const CapabilityKind>(extended_kinds);
  const auto found = std::ranges::find(kinds, id, &CapabilityKind::id);
  return found == kinds.end() ? nullptr : &*found;
}

}  // namespace devbindd::sysfs
