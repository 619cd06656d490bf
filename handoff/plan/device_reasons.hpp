// SPDX-License-Identifier: Apache-2.0
// Reasons against a change that lie in the device itself: what it is, what it lacks, that the kernel holds it. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "handoff/model/evidence.hpp"
#include "handoff/plan/plan.hpp"

namespace devbindd::handoff {

/// That the device is a bridge, which cannot be handed to user space.
Evidence bridge_evidence(const sysfs::PciAddress& address);

/// That the device is a part of the chipset, which a selector takes neither by itself nor along with another.
Evidence system_evidence(const sysfs::Device& device);

/// That vfio-pci refuses devices of this kind as unsafe, or nullopt.
std::optional<Evidence> denylist_evidence(const sysfs::PciAddress& address, std::uint16_t vendor, std::uint16_t device);

/// That the kernel has no reset for the device alone, which a claim requires.
Evidence no_reset_evidence(const sysfs::PciAddress& address);

/// What keeps every write from the kernel: the mount point that is read-only.
Evidence read_only_evidence(const std::string& point);

/// device.stuck
void check_stuck(const MemberFacts& member, std::vector<Evidence>& evidence);
/// device.bridge, for the one that was asked for.
void check_bridge(const ChangeRequest& request, const MemberFacts& member, std::vector<Evidence>& evidence);
/// device.system, as a warning: what is asked for by its address or with its group is done.
void check_system(const ChangeRequest& request, const MemberFacts& member, std::vector<Evidence>& evidence);
/// device.denylisted
void check_denylist(const ChangeRequest& request, const MemberFacts& member, const Facts& facts,
                    std::vector<Evidence>& evidence);
/// What would give the host's devices IOMMU groups, or where the kernel says why this one has none.
std::string step_to_a_group(const sysfs::PciAddress& address, sysfs::GroupTime time);

/// iommu.absent, or iommu.group_later where the kernel may give the device a group as it is bound
void check_iommu(const ChangeRequest& request, const MemberFacts& member, const Facts& facts,
                 std::vector<Evidence>& evidence);

}  // namespace devbindd::handoff
