// SPDX-License-Identifier: Apache-2.0
// What may use an interface of the own network namespace and is shown by no call that the daemon may make.
#pragma once

#include "sysfs/kernel/tree.hpp"
#include "sysfs/use/network_state.hpp"

namespace devbindd::sysfs {

/// Adds to the gaps of `state`: programs of tcx, where the kernel is 6.6 or later (bpf(2) alone shows them,
/// kernel/bpf/tcx.c); and IPsec that an interface does by itself, where there are associations: whoever asks which of
/// them are handed over is told their keys too (net/xfrm/xfrm_user.c, XFRM_MSG_GETSA), so that only their number is
/// asked for (XFRM_MSG_GETSADINFO).
void add_network_gaps(const Tree& tree, NetworkState& state);

}  // namespace devbindd::sysfs
