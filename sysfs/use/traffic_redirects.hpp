// SPDX-License-Identifier: Apache-2.0
// Into which interfaces of the calling thread's network namespace tc sends the packets of others, and where it does not
// say so.
#pragma once

#include "sysfs/use/network_state.hpp"

namespace devbindd::sysfs {

/// Adds a session for each interface that an action "mirred" of tc sends packets to. A kernel without the action has
/// none; another failure becomes a gap, and so do a shared block of interfaces (Linux 6.8) and the first BPF program
/// that is found at a hook of tc, since its targets are not to be seen. Source: net/sched/act_mirred.c, cls_bpf.c;
/// include/uapi/linux/tc_act/tc_mirred.h.
void add_redirects(NetworkState& state);

}  // namespace devbindd::sysfs
