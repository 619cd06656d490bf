// SPDX-License-Identifier: Apache-2.0
// Facts for the pure functions of handoff/, made by hand.
#pragma once

#include "handoff/plan/plan.hpp"
#include "tests/handoff/requests.hpp"

namespace devbindd::tests {

/// An e1000e card in group 1, on `driver` (none for nullptr).
inline sysfs::Device device(std::string_view address, const char* driver, std::uint32_t class_code = 0x020000) {
  sysfs::Device made;
  made.address = at(address);
  made.vendor = 0x8086;
  made.device = 0x10d3;
  made.subsystem_vendor = 0x8086;
  made.subsystem_device = 1;
  made.class_code = class_code;
  made.iommu_group = 1;
  if (driver != nullptr) made.driver = driver_named(driver);
  return made;
}

inline handoff::MemberFacts member(std::string_view address, const char* driver = nullptr,
                                   const char* driver_override = nullptr) {
  handoff::MemberFacts made;
  made.device = device(address, driver);
  if (driver_override != nullptr) made.driver_override = driver_override;
  return made;
}

/// The member with a record of what was there before devbindd.
inline handoff::MemberFacts given(handoff::MemberFacts member, const char* driver,
                                  const char* driver_override = nullptr) {
  handoff::Original original;
  original.address = member.device.address;
  if (driver != nullptr) original.driver = driver;
  if (driver_override != nullptr) original.driver_override = driver_override;
  member.original = original;
  return member;
}

inline handoff::Facts facts_of(std::vector<handoff::MemberFacts> members) {
  handoff::Facts facts;
  facts.members = std::move(members);
  return facts;
}

}  // namespace devbindd::tests
