// SPDX-License-Identifier: Apache-2.0
// A host as a directory of files: as many cards as are wanted, each alone in its IOMMU group, on a driver of the host.
// test_worker with "drivers" moves them. Not here: the daemon (attack_daemon.cpp).
#pragma once

#include <string>

namespace devbindd::tests {

/// Cards of `device` from `domain`:00:00.0 on, 256 in a bus of 32 slots of 8 functions; their groups from `first_group`
/// on. A group's node is there from the beginning: it only counts for a device that is bound to VFIO.
struct Cards {
  unsigned count = 0;
  unsigned domain = 0;
  std::string device;  ///< "0x10d3"
  unsigned first_group = 0;
};

/// Makes what a host without devices has: drivers and an empty proc.
void make_host(const std::string& root);

void add_cards(const std::string& root, const Cards& cards);

}  // namespace devbindd::tests
