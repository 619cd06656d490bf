// SPDX-License-Identifier: Apache-2.0
// Whether the consumer of a claim may map as much memory for DMA as it is going to, and raising its limit where not.
// Not here: the limits themselves (sysfs/kernel/locked_memory.hpp).
#pragma once

#include <functional>
#include <optional>

#include "handoff/claim/claim_descriptors.hpp"
#include "handoff/model/claim.hpp"
#include "sysfs/kernel/locked_memory.hpp"

namespace devbindd::handoff {

class Engine;

struct DmaMemoryQuestion {
  std::optional<std::int32_t> pid = {};   ///< of the consumer; nullopt: the claim's own
  std::uint64_t bytes = 0;                ///< that it maps in one address space: the memory of a guest
  unsigned address_spaces = 1;            ///< containers, or IOASes: each is charged
  std::optional<DescriptorWay> way = {};  ///< nullopt: the best of this kernel
  bool raise = false;
};

struct DmaMemoryAnswer {
  std::int32_t pid = 0;
  DescriptorWay way = DescriptorWay::Group;
  sysfs::LockedMemory process;
  std::uint64_t needed = 0;  ///< what the limit must be, with what is locked already where that counts
  bool suffices = false;
  bool raised = false;
};

/// By group (type 1 container): bytes for each container beside what the process has locked, since the kernel charges
/// its mm; by cdev (iommufd): bytes for each address space, charged to the user, whose other processes nobody can be
/// asked for. Source: drivers/vfio/vfio_iommu_type1.c, vfio_lock_acct; drivers/iommu/iommufd/pages.c.
std::uint64_t needed_limit(const DmaMemoryQuestion& question, DescriptorWay way, const sysfs::LockedMemory& process);

/// Only the limit of the claim's own process, or of one that an owner of the claim runs, is raised. Errors:
/// OwnerNotFound; LimitNotRaised; those of reading the claim's devices; Overdue.
void check_dma_memory(Engine& engine, const Claim& claim, const DmaMemoryQuestion& question, const Asker& asker,
                      std::function<void(sysfs::Result<DmaMemoryAnswer>)> done);

}  // namespace devbindd::handoff
