// SPDX-License-Identifier: Apache-2.0
// Whether the host shows its console through a PCI function. Processes that draw with it: open_nodes.hpp.
#pragma once

#include <vector>

#include "sysfs/device/descendants.hpp"
#include "sysfs/use/use.hpp"

namespace devbindd::sysfs {

/// BootVga: the firmware's boot display (attribute boot_vga). Framebuffer: the function's frame buffer is the text
/// console's, or the firmware's frame buffer ("BOOTFB", efifb, simpledrm) lies in one of its BARs. A further GPU's
/// frame buffer (fb1), which no console shows on by default, is no use by itself. Source: drivers/pci/pci-sysfs.c
/// (boot_vga); drivers/video/fbdev/core/fbcon.c (the first frame buffer gets the consoles); /sys/class/vtconsole;
/// /proc/iomem, which shows zeros to whoever has no CAP_SYS_ADMIN.
std::vector<Use> display_uses(const Tree& tree, const std::string& device_path,
                              const std::vector<Descendant>& descendants);

}  // namespace devbindd::sysfs
