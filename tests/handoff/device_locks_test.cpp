// SPDX-License-Identifier: Apache-2.0
// Who keeps whom away from which devices.
#include "handoff/operation/device_locks.hpp"

#include <optional>
#include <utility>

#include "tests/catch2.hpp"

namespace devbindd::device_locks_test {

namespace {

using namespace devbindd::handoff;

sysfs::Device device(const char* address, std::optional<unsigned> group) {
  sysfs::Device device;
  device.address = sysfs::parse_pci_address(address).value();
  device.iommu_group = group;
  return device;
}

const auto physical = [] {
  auto made = device("0000:01:00.0", 1);
  made.sriov_totalvfs = 8;
  return made;
}();

sysfs::Device function(const char* address, unsigned group) {
  auto made = device(address, group);
  made.physfn = physical.address;
  return made;
}

}  // namespace

TEST_CASE("Members of a group keep each other away, as long as the lock lives") {
  DeviceLocks locks;
  const auto one = keys_of({device("0000:02:00.0", 7)});
  const auto other = keys_of({device("0000:02:00.1", 7)});
  const auto elsewhere = keys_of({device("0000:03:00.0", 8)});
  {
    auto lock = locks.take(one, "a");
    CHECK(locks.holder_of(other) == "a");
    CHECK(locks.holder_of(elsewhere).empty());
    const auto moved = std::move(lock);
    CHECK(locks.holder_of(one) == "a");
  }
  CHECK(locks.holder_of(other).empty());
}

TEST_CASE("A device without a group is locked alone") {
  DeviceLocks locks;
  const auto lock = locks.take(keys_of({device("0000:02:00.0", {})}), "a");
  CHECK(locks.holder_of(keys_of({device("0000:02:00.0", {})})) == "a");
  CHECK(locks.holder_of(keys_of({device("0000:02:00.1", {})})).empty());
}

TEST_CASE("A PF and its VFs are one family, and VFs do not hinder each other") {
  DeviceLocks locks;
  const auto vf = keys_of({function("0000:01:10.0", 2)});
  const auto sibling = keys_of({function("0000:01:10.1", 3)});
  auto lock = locks.take(vf, "vf");
  CHECK(locks.holder_of(keys_of({physical})) == "vf");
  CHECK(locks.holder_of(sibling).empty());
  lock = locks.take(keys_of({physical}), "pf");  // what was held is given up only then
  CHECK(locks.holder_of(vf) == "pf");
  CHECK(locks.holder_of(sibling) == "pf");
}

TEST_CASE("What another one has is not taken, and stays his") {
  DeviceLocks locks;
  const auto first = locks.take({"group 1"}, "a");
  {
    const auto second = locks.take({"group 1", "group 2"}, "b");
    CHECK(locks.holder_of({"group 1"}) == "a");
    CHECK(locks.holder_of({"group 2"}) == "b");
  }
  CHECK(locks.holder_of({"group 1"}) == "a");
  CHECK(locks.holder_of({"group 2"}).empty());
}

TEST_CASE("Who was at work on the same devices since is known by the locks that were released") {
  DeviceLocks locks;
  const auto vf = keys_of({function("0000:01:10.0", 2)});
  const auto sibling = keys_of({function("0000:01:10.1", 3)});
  const auto pf = keys_of({physical});
  const auto before = locks.releases();
  auto lock = locks.take(vf, "a");
  CHECK_FALSE(locks.released_since(before, vf));  // it is still at work
  lock = {};
  CHECK(locks.releases() == before + 1);
  CHECK(locks.released_since(before, vf));
  CHECK(locks.released_since(before, pf));
  CHECK_FALSE(locks.released_since(before, sibling));
  CHECK_FALSE(locks.released_since(locks.releases(), vf));
  const auto later = locks.releases();
  lock = locks.take(pf, "b");
  lock = {};
  CHECK(locks.released_since(later, vf));
  CHECK(locks.released_since(later, sibling));
  lock = {};  // one that is released already
  CHECK(locks.releases() == later + 1);
}

TEST_CASE("The last release of a key counts, and a lock without a key releases none") {
  DeviceLocks locks;
  const auto first = locks.take({"group 1"}, "a");
  const auto start = locks.releases();
  for (int time = 0; time < 3; ++time) static_cast<void>(locks.take({"group 2"}, "b"));
  const auto middle = locks.releases();
  static_cast<void>(locks.take({"group 2"}, "b"));
  CHECK(locks.released_since(middle, {"group 2"}));
  { const auto other = locks.take({"group 1"}, "c"); }  // what another one has is not taken
  CHECK_FALSE(locks.released_since(start, {"group 1"}));
}

}  // namespace devbindd::device_locks_test
