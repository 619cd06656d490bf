// SPDX-License-Identifier: Apache-2.0
// What the kernel shows after the steps of an operation: a write that returned proves nothing, and one that failed as
// little. Reads through the tree what does not block there. Not here: the steps themselves (execution.hpp).
#pragma once

#include <optional>
#include <set>
#include <string>

#include "handoff/model/operation.hpp"
#include "handoff/worker/task.hpp"

namespace devbindd::handoff {

bool is_there(const sysfs::Tree& tree, const sysfs::PciAddress& address);

/// The first of the operation's devices that is gone, VFs that it destroys or makes left aside, or "".
std::string vanished_device(const sysfs::Tree& tree, const Operation& operation);

/// After SetNumVfs: offset and stride may change with the number of VFs, and before anything is written to one, they
/// must be where they were foreseen. nullopt: they are. Source: Single Root I/O Virtualization 1.1, 3.3.9 and 3.3.10.
std::optional<sysfs::Error> misplaced_function(const sysfs::Tree& tree, const Operation& operation,
                                               const sysfs::Step& step);

/// Whether the step has something to be undone. An error proves as little as a success: a worker may die after its
/// write (ECHILD). Where the kernel can be asked, it is.
bool took_effect(const sysfs::Tree& tree, const Operation& operation, const StepRecord& record);

/// After the last step: what is not as the operation was to leave it. nullopt: everything is.
std::optional<sysfs::Error> unexpected_state(const sysfs::Tree& tree, const Operation& operation);

/// After the undo: notes in the operation's error which devices are not as they were before, and which could not be
/// looked at; the one is a failure of the undo, the other only of the look. `overrides`: the answer to ReadOverrides
/// for the operation's devices, in their order. `settings_lost`: VFs whose settings could not be undone.
void note_unrestored(const sysfs::Tree& tree, const ResultOf<ReadOverrides>& overrides,
                     const std::set<sysfs::PciAddress>& settings_lost, Operation& operation);

}  // namespace devbindd::handoff
