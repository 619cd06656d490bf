// SPDX-License-Identifier: Apache-2.0
// The line that `systemctl status` shows.
#include "daemon/status_line.hpp"

#include "tests/catch2.hpp"
#include "tests/handoff/operation_parts.hpp"

namespace devbindd::status_line_test {

using namespace devbindd::tests;
using devbindd::daemon::status_line;
using handoff::OperationState;

TEST_CASE("what there is none of is left out", "[daemon][status]") {
  handoff::OperationTable::Running running;
  CHECK(status_line({.devices = 40, .read_only = false, .operations = running}) == "40 PCI devices");
  CHECK(status_line({.devices = 3, .read_only = true, .operations = running}) == "3 PCI devices, read-only");
}

TEST_CASE("operations and claims are counted, and the first blocked one is named", "[daemon][status]") {
  handoff::OperationTable::Running running;
  running["a"] = shared(operation("a", "0000:05:00.0", "e1000e", "vfio-pci"));
  CHECK(status_line({.devices = 40, .operations = running, .claims = 1}) ==
        "40 PCI devices, 1 operation running, 1 claim");
  running["b"] = shared(operation("b", "0000:06:00.0", "e1000e", "vfio-pci"));
  running["c"] = shared(operation("c", "0000:07:00.0", "nvme", "vfio-pci", OperationState::Blocked));
  CHECK(status_line({.devices = 40, .operations = running, .claims = 2, .quarantined = 1}) ==
        "40 PCI devices, 2 operations running, 1 operation blocked (bind of 0000:07:00.0), 2 claims, 1 claim "
        "quarantined");
  running["d"] = shared(operation("d", "0000:08:00.0", "nvme", "vfio-pci", OperationState::Blocked));
  CHECK(status_line({.devices = 40, .operations = running}) ==
        "40 PCI devices, 2 operations running, 2 operations blocked (bind of 0000:07:00.0 and others)");
}

}  // namespace devbindd::status_line_test
