// SPDX-License-Identifier: Apache-2.0
// Whether messages of the kernel go to a console on a PCI function: a serial port, a virtio console.
// Not here: the display's text console (display_use.hpp), netconsole (network_sessions.hpp), and who has the terminal
// open (open_nodes.hpp).
#pragma once

#include <vector>

#include "sysfs/device/descendants.hpp"
#include "sysfs/use/use.hpp"

namespace devbindd::sysfs {

/// A Console for each terminal below the function that is among the registered consoles, whoever has it open; for a
/// virtio console while any hvcN is, since the kernel does not tell whose it is.
/// Source: fs/proc/consoles.c ("ttyS4  -W- (EC p a)  4:68").
std::vector<Use> console_uses(const Tree& tree, const std::vector<Descendant>& descendants);

}  // namespace devbindd::sysfs
