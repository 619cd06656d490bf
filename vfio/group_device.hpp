// SPDX-License-Identifier: Apache-2.0
// The way to a device through its group: container, group, device, as VFIO's oldest interface has it.
// Not here: what is asked of the device then (probe.hpp).
#pragma once

#include <string>

#include "vfio/ioctl.hpp"

namespace devbindd::vfio {

/// Puts the group into the container and gives that an IOMMU of the type. Error: Kernel; see probe().
Result<> attach_group(const Ioctl& ioctl, const FileDescriptor& container, const FileDescriptor& group,
                      unsigned long iommu_type);

/// Opens the device, which resets it. `name` is its sysfs name, with " vf_token=UUID" behind it where one is needed or,
/// for a PF without users of its VFs, to be set. Error: Kernel with EACCES for a missing or wrong token, others as
/// probe(). Source: drivers/vfio/pci/vfio_pci_core.c, vfio_pci_core_match and vfio_pci_validate_vf_token.
Result<FileDescriptor> device_of_group(const Ioctl& ioctl, const FileDescriptor& group, const std::string& name);

/// Sets the token that whoever opens a VF of this PF must know, by opening the PF, which resets it: for a PF that is
/// bound to vfio-pci, not open, and without VFs. The kernel keeps it until the PF leaves vfio-pci. Errors as probe().
Result<> set_vf_token(const Ioctl& ioctl, const std::string& group_node, const std::string& address,
                      const std::string& token);

}  // namespace devbindd::vfio
