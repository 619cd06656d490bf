// SPDX-License-Identifier: Apache-2.0
// The text of `dpdk-devbind.py -s`, byte for byte as DPDK 22.11's script (Debian 12's package dpdk) prints it on the
// same host. Pure: facts in, text out.
#pragma once

#include <string>
#include <vector>

#include "sysfs/device/device.hpp"

namespace devbindd::api {

/// One device with what the script learns from lspci, sysfs and `ip route`.
struct DevbindDevice {
  sysfs::Device device;
  std::string name;                  ///< lspci's device name without the ID ("Device" where it has none)
  std::vector<std::string> modules;  ///< lspci's "Module" lines in order; the script keeps the last
  bool routed = false;               ///< an interface of it stands in a route of the main table (not 169.254...)
};

/// `userspace_drivers`: the loaded ones of igb_uio, vfio-pci, uio_pci_generic, in that order.
std::string devbind_status(const std::vector<DevbindDevice>& devices,
                           const std::vector<std::string>& userspace_drivers);

}  // namespace devbindd::api
