// SPDX-License-Identifier: Apache-2.0
// What the kernel says of a physical function's SR-IOV settings through files that never block, and where its virtual
// functions come to sit.
// Not here: sriov_numvfs, whose read takes the device lock: how many there are is told by the links (device.hpp).
#pragma once

#include <optional>
#include <string>

#include "sysfs/device/device.hpp"

namespace devbindd::sysfs {

struct Sriov {
  unsigned total = 0;                             ///< how many virtual functions the device can have
  unsigned offset = 0;                            ///< from the PF's routing ID to its first VF's
  unsigned stride = 0;                            ///< from one VF's routing ID to the next
  std::optional<std::uint16_t> function_id = {};  ///< the device ID of the VFs; kernels before 4.15 do not tell
  bool autoprobe = true;  ///< whether drivers take new VFs by themselves; kernels before 4.12 cannot be told not to

  bool operator==(const Sriov&) const = default;
};

/// What modules are matched against for a VF that is not there yet: the PF's modalias with the device ID of its VFs.
/// "" where the kernel (before 4.15) does not tell that.
std::string function_modalias(const Tree& tree, const Device& physical);

/// nullopt for a device without SR-IOV. Source: drivers/pci/pci-sysfs.c, sriov_pf_dev_attrs.
std::optional<Sriov> read_sriov(const Tree& tree, const Device& device);

/// The address of the VF with the index (from 0), or nullopt where the settings cannot be true: no VF has its PF's
/// address, and none a bus beyond 255. Source: drivers/pci/iov.c pci_iov_virtfn_bus, pci_iov_virtfn_devfn.
std::optional<PciAddress> function_address(const PciAddress& physical, const Sriov& sriov, unsigned index);

}  // namespace devbindd::sysfs
