// How the host of the tests uses its devices: the network as FakeKernel's files show it, and disks that nobody has
// claimed. Nothing of the machine that the tests run on is asked.
#pragma once

#include "handoff/usage.hpp"

namespace devbindd::tests {

handoff::UsageSeams fake_usage_seams();

}  // namespace devbindd::tests
