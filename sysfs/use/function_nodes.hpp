// SPDX-License-Identifier: Apache-2.0
// Which character device nodes belong to a PCI function, and which memory: whatever the kernel has made below it that a
// process can open or map. Not here: block devices (block_use.hpp), and who has them open (open_nodes.hpp).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "sysfs/device/descendants.hpp"
#include "sysfs/kernel/pci_address.hpp"
#include "sysfs/use/open_nodes.hpp"

namespace devbindd::sysfs {

/// Nodes that are open on every host without anybody using the device.
struct HarmlessNode {
  std::string_view subsystem = {};
  std::string_view below = {};   ///< the class of a device above it; "" for all
  std::string_view reason = {};  ///< one sentence
};

/// The nodes that function_nodes leaves out.
const std::vector<HarmlessNode>& harmless_nodes();

/// Every descendant of the function with a `dev` attribute that is no block device, but for the harmless ones; the VFIO
/// group of a descendant that has one (a mediated device, a function below a VMD); and what has no such attribute below
/// the function: /dev/nvidiaN by NVIDIA's own list in /proc, the virtual terminals of a virtio console, /dev/hwrng
/// while it is the kernel's source of randomness. The kind is that of the node's class, CharacterOpen where it has none
/// of its own. Source: the class names in the kernel's class_create calls; DEVNAME in `uevent` (drivers/base/core.c);
/// drivers/char/virtio_console.c; nvidia's /proc/driver/nvidia/gpus/<BDF>/information.
std::vector<OwnedNode> function_nodes(const Tree& tree, const PciAddress& address,
                                      const std::vector<Descendant>& descendants);

/// The memory of the function at `device_path`, and that of the functions below it.
std::vector<OwnedMemory> function_memories(const Tree& tree, const PciAddress& address, const std::string& device_path,
                                           const std::vector<Descendant>& descendants);

}  // namespace devbindd::sysfs
