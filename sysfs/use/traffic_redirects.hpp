// SPDX-License-Identifier: Apache-2.0
// Into which interfaces of the calling thread's network namespace tc sends the packets of others.
#pragma once

#include "sysfs/use/network_state.hpp"

namespace devbindd::sysfs {

/// Adds a session for each interface that an action "mirred" of tc sends packets to. A kernel without the action has
/// none; another failure becomes a gap. Source: net/sched/act_mirred.c; include/uapi/linux/tc_act/tc_mirred.h. What a
/// BPF program sends into an interface is not to be seen.
void add_redirects(NetworkState& state);

}  // namespace devbindd::sysfs
