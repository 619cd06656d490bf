// SPDX-License-Identifier: Apache-2.0
// What the kernel says about one PCI device through sysfs files that never block.
// Not here: driver_override and sriov_numvfs, whose reads take the device lock on some kernels and hang while
// the device is stuck (they are read by a worker process, handoff/worker/task.hpp); names of IDs (device_names.hpp).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "sysfs/kernel/driver_name.hpp"
#include "sysfs/kernel/pci_address.hpp"
#include "sysfs/kernel/tree.hpp"

namespace devbindd::sysfs {

struct Device {
  PciAddress address;
  std::uint16_t vendor = 0;
  std::uint16_t device = 0;
  std::uint16_t subsystem_vendor = 0;
  std::uint16_t subsystem_device = 0;
  std::uint32_t class_code = 0;  ///< base class, subclass, programming interface: 0x020000 is Ethernet
  std::uint8_t revision = 0;
  std::string modalias;               ///< what modules are matched against
  std::optional<DriverName> driver;   ///< nullopt: no driver link, which also holds while an unbind is not finished
  std::optional<std::string> module;  ///< the driver's module; nullopt when built in or no driver
  std::optional<unsigned> iommu_group;
  std::optional<unsigned> numa_node;    ///< nullopt: the kernel says -1
  std::vector<std::string> interfaces;  ///< network interfaces in this network namespace, also below virtioN
  std::optional<PciAddress> physfn;     ///< set on a VF
  std::vector<PciAddress> virtfns;      ///< the VFs of a PF that exist now
  std::optional<unsigned> sriov_totalvfs;
  std::optional<std::string> vfio_device;  ///< "vfio0": bound to a VFIO driver, whatever its name (kernel 6.1)
  std::optional<unsigned> enable_count;    ///< see enable_count_of()
  /// Of its directory, which the kernel gives to no other one until the next boot: a device that has been removed and
  /// found anew has another. Source: fs/kernfs/dir.c, __kernfs_new_node().
  std::optional<std::uint64_t> inode;
  std::string sysfs_path;  ///< "/sys/devices/pci0000:00/...", the topology

  bool operator==(const Device&) const = default;
};

/// Reads one device. Errors: DeviceNotFound when it is not there (or vanished while it was read), Kernel.
/// Source: drivers/pci/pci-sysfs.c; Documentation/ABI/testing/sysfs-bus-pci.
Result<Device> read_device(const Tree& tree, const PciAddress& address);

/// How often it is enabled; nullopt where the kernel does not tell. Opening a device through VFIO enables it and sends
/// no uevent: of a VFIO-bound one the count is read here, of others it is the one of `device`.
std::optional<unsigned> enable_count_of(const Tree& tree, const Device& device);
/// Whether the count says so.
bool is_open(const Tree& tree, const Device& device);

/// The addresses of all PCI devices, ascending. Names in the directory that are no addresses are left out.
Result<std::vector<PciAddress>> list_devices(const Tree& tree);

/// Bound to a VFIO driver: by the vfio-dev directory (6.1 and later, any name) or by the driver's name.
bool is_vfio_bound(const Device& device);

/// PCI-to-PCI, CardBus and similar bridges (header type not 0): vfio-pci refuses them with EINVAL, and they never
/// keep a group from being viable while their driver is pcieport or none.
bool is_pci_bridge(const Device& device);

/// Host bridge, ISA or LPC bridge, SMBus, interrupt and DMA controllers, timers, clock, IOMMU, main and flash memory:
/// the firmware and the kernel work with them without a driver that would show it. Source: the class codes of the PCI
/// Code and ID Assignment Specification 1.11, include/linux/pci_ids.h.
bool holds_host_together(const Device& device);

/// The category a person looks for, by base class: "network", "storage", "display", "accelerator", "crypto",
/// "bridge", "usb", "sound", "memory", "other". Source: PCI Code and ID Assignment Specification.
std::string_view category(const Device& device);
/// All of those words.
const std::vector<std::string_view>& categories();

/// A vendor or device ID as the API writes it, four lower-case hex digits; nullopt for any other text.
std::optional<std::uint16_t> id_from(std::string_view text);

/// "020000": class, subclass and programming interface.
std::string class_text(const Device& device);

/// Whether classes can begin so: two, four or six lower-case hex digits.
bool is_class_prefix(std::string_view text);

/// "8086 10d3": vendor and device as new_id and remove_id take them.
std::string id_text(const Device& device);

/// The value of a driver_override attribute: the kernel prints "(null)" for none.
std::optional<std::string> override_from_attribute(std::string_view content);

}  // namespace devbindd::sysfs
