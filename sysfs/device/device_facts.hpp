// SPDX-License-Identifier: Apache-2.0
// What the kernel says about one PCI device beyond its identity and binding: link, power, resets, errors, interrupts,
// SR-IOV settings, place. Pure: from the attributes' contents, which a worker reads, since some wake the device.
// Not here: device.hpp (identity and binding), resource.hpp (BARs), children.hpp (what drivers made of it).
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "sysfs/kernel/tree.hpp"

namespace devbindd::sysfs {

/// The PCI Express link. Values as the kernel prints them; a width of 0 or more than 32 lanes is none.
struct Link {
  std::optional<std::string> current_speed;  ///< "8.0 GT/s PCIe"; nullopt: "Unknown"
  std::optional<unsigned> current_width;     ///< lanes
  std::optional<std::string> max_speed;
  std::optional<unsigned> max_width;

  bool operator==(const Link&) const = default;
};

/// The counters of one of the aer_* files, in their order, the total last.
using ErrorCounters = std::vector<std::pair<std::string, std::uint64_t>>;

struct DeviceFacts {
  std::optional<Link> link;                    ///< nullopt: no PCI Express function
  std::optional<std::string> power_state;      ///< "D0", "D3hot", ... (kernel 5.11); nullopt when "unknown"
  std::optional<std::string> runtime_status;   ///< "active", "suspended", ...
  std::optional<std::string> runtime_control;  ///< "on": never suspended; "auto"
  std::optional<bool> d3cold_allowed;
  std::optional<std::vector<std::string>> reset_methods;  ///< in the order they are tried (kernel 5.15)
  std::map<std::string, ErrorCounters> error_counters;    ///< "correctable", "fatal", "nonfatal", "rootport_fatal", ...
  std::optional<unsigned> irq;                            ///< the first MSI vector, else the INTx line; nullopt: none
  std::optional<unsigned> dma_mask_bits;                  ///< set by the last driver
  std::optional<std::string> local_cpus;                  ///< "0-15,32-47": near the device
  std::optional<std::string> label;                       ///< the firmware's name for it
  std::optional<unsigned> firmware_index;                 ///< the firmware's number for it (index, else acpi_index)
  std::optional<bool> boot_vga;                           ///< display devices: the firmware's console
  std::optional<bool> ari_enabled;
  std::optional<std::string> removable;        ///< "fixed", "removable"
  std::optional<std::string> sriov_vf_device;  ///< device ID of the VFs, hex without prefix
  std::optional<unsigned> sriov_offset;
  std::optional<unsigned> sriov_stride;
  std::optional<bool> sriov_drivers_autoprobe;  ///< whether drivers take new VFs by themselves

  bool operator==(const DeviceFacts&) const = default;
};

/// The attributes to read for facts_from().
const std::vector<std::string>& fact_attributes();

/// From attribute name to content; those that a device lacks are left out. What does not parse is left out of the
/// facts. Source: drivers/pci/pci-sysfs.c, pcie/aer.c, iov.c; Documentation/ABI/testing/sysfs-bus-pci.
DeviceFacts facts_from(const std::map<std::string, std::string>& attributes);

/// The vectors that are allocated now: Linux IRQ number and "msi" or "msix". Empty without any.
std::vector<std::pair<unsigned, std::string>> read_msi_irqs(const Tree& tree, const std::string& device_path);

/// The name of the physical slot that holds the device ("3", "0-1"), or nullopt. Source: drivers/pci/slot.c.
std::optional<std::string> physical_slot(const Tree& tree, const std::string& address);

}  // namespace devbindd::sysfs
