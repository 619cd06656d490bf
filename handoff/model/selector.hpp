// SPDX-License-Identifier: Apache-2.0
// Which devices are meant by what they are, and not by their addresses. Passive.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>

#include "handoff/model/any_of.hpp"
#include "sysfs/device/device.hpp"
#include "sysfs/device/device_facts.hpp"

namespace devbindd::handoff {

using Labels = std::map<std::string, std::string>;

/// What the host's policies call a device.
using LabelsOf = std::function<Labels(const sysfs::Device&)>;

/// What is not set matches everything; of several values one must be the device's.
struct Selector {
  AnyOf<sysfs::PciAddress> address = {};
  AnyOf<std::uint16_t> vendor = {};
  AnyOf<std::uint16_t> device = {};
  AnyOf<std::uint16_t> subsystem_vendor = {};
  AnyOf<std::uint16_t> subsystem_device = {};
  AnyOf<std::string> class_prefix = {};                 ///< two, four or six hex digits
  AnyOf<std::string> category = {};                     ///< as sysfs::category()
  AnyOf<std::string> driver = {};                       ///< that it has now, "none" for no driver
  AnyOf<std::optional<unsigned>> numa_node = {};        ///< nullopt: that has none
  AnyOf<std::optional<unsigned>> iommu_group = {};      ///< the same
  AnyOf<std::optional<sysfs::PciAddress>> physfn = {};  ///< VFs of this PF; nullopt: what is no VF
  // Of a claim only:
  std::string label = {};                 ///< the firmware's name for it
  std::optional<double> link_speed = {};  ///< GT/s of its link as it is now, at least
  Labels labels = {};                     ///< that the policies give it; it may have more
  bool same_switch = false;               ///< all below one root port
  unsigned count = 1;                     ///< how many
};

/// Whether the device has what the selector wants, as far as the snapshot tells: not label and link_speed, which a
/// worker reads, nor labels.
bool fits(const Selector& selector, const sysfs::Device& device);

/// The same, of a selector that takes devices: never what holds the host together; see may_take_along().
bool matches(const Selector& selector, const sysfs::Device& device);

/// Whether the selector may take the device, chosen by it or along with a chosen one of its IOMMU group: never what
/// holds the host together (sysfs::holds_host_together), and another part of the chipset (memory, bridges, system
/// peripherals) only where it says which devices it means, and the device fits.
bool may_take_along(const Selector& selector, const sysfs::Device& device);

/// Whether `labels` has all that are wanted, with these values.
bool has_labels(const Labels& labels, const Labels& wanted);

bool needs_facts(const Selector& selector);
/// Label and link speed. "" where the device fits, else why not, in a sentence.
std::string mismatch(const Selector& selector, const sysfs::DeviceFacts& facts);

/// The root port or root bus slot that leads to the device, "0000:00:1c.0": what is behind one shares its link, and can
/// reach each other through the switches there. From its place in sysfs.
std::string root_of(const sysfs::Device& device);

}  // namespace devbindd::handoff
