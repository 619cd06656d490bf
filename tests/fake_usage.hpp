// SPDX-License-Identifier: Apache-2.0
// How the host of the tests uses its devices: the network as FakeKernel's files show it, and disks that nobody has
// claimed. Nothing of the machine that the tests run on is asked.
#pragma once

#include "handoff/usage/usage.hpp"
#include "sysfs/use/alternative_names.hpp"

namespace devbindd::tests {

handoff::UsageSeams fake_usage_seams();

/// Those in the file "fake/alternative_names" of the tree: an interface and its alternative names in a line.
sysfs::Result<sysfs::AlternativeNames> fake_alternative_names(const sysfs::Tree& tree);

}  // namespace devbindd::tests
