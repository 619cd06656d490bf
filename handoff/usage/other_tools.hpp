// SPDX-License-Identifier: Apache-2.0
// Other tools of this host that will move a device by themselves: driverctl at each start and hot-plug, libvirt when a
// domain starts and ends. Found by their files; nothing here talks to them.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "sysfs/kernel/pci_address.hpp"
#include "sysfs/kernel/result.hpp"
#include "sysfs/kernel/tree.hpp"

namespace devbindd::handoff {

struct OtherTool {
  std::string name;     ///< "driverctl" or "libvirt"
  std::string path;     ///< the file that says so
  std::string subject;  ///< driverctl: the driver that it sets; libvirt: the domain that has the device

  bool operator==(const OtherTool&) const = default;
};

struct OtherTools {
  std::map<sysfs::PciAddress, std::vector<OtherTool>> by_device;
  std::vector<sysfs::Error> unreadable;  ///< what is there and could not be read: an unprivileged daemon may not
};

/// Of all devices. A tool that is not installed says nothing. Source: driverctl's /etc/driverctl.d/pci-ADDRESS, one
/// driver's name or "none"; libvirt's domain format, files /etc/libvirt/qemu/NAME.xml (defined) and
/// /run/libvirt/qemu/NAME.xml (running).
OtherTools read_other_tools(const sysfs::Tree& tree);

}  // namespace devbindd::handoff
