// Which character device nodes belong to a PCI function: GPUs, accelerators, sound, RDMA, NVMe controllers, SCSI
// generic devices, USB devices. Not here: block devices (block_use.hpp), and who has them open (open_nodes.hpp).
#pragma once

#include <vector>

#include "sysfs/descendants.hpp"
#include "sysfs/open_nodes.hpp"
#include "sysfs/pci_address.hpp"

namespace devbindd::sysfs {

/// The nodes by the `dev` attributes of the function's descendants, and /dev/nvidiaN, which has none, by NVIDIA's own
/// list in /proc. Nodes that are not there are left out; USB hubs have none that matters.
/// Source: the class names in the kernel's class_create calls; nvidia's /proc/driver/nvidia/gpus/<BDF>/information.
std::vector<OwnedNode> function_nodes(const Tree& tree, const PciAddress& address,
                                      const std::vector<Descendant>& descendants);

}  // namespace devbindd::sysfs
