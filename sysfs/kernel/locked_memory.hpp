// SPDX-License-Identifier: Apache-2.0
// How much memory a process may lock, which is what DMA mappings by VFIO are charged against, and raising it.
// Not here: how much a consumer needs (handoff/claim/dma_memory.hpp).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "sysfs/kernel/tree.hpp"

namespace devbindd::sysfs {

/// RLIMIT_MEMLOCK in bytes; nullopt: unlimited.
struct LockedMemoryLimit {
  std::optional<std::uint64_t> soft;
  std::optional<std::uint64_t> hard;

  bool operator==(const LockedMemoryLimit&) const = default;
};

/// Of the process `who`: a pid, or "self". nullopt when it cannot be read.
/// Source: fs/proc/base.c, proc_pid_limits: "Max locked memory  8388608  8388608  bytes".
std::optional<LockedMemoryLimit> locked_memory_limit(const Tree& tree, const std::string& who);

struct LockedMemory {
  LockedMemoryLimit limit;
  std::string command = {};
  unsigned uid = 0;          ///< real
  std::uint64_t locked = 0;  ///< bytes that are charged to the process already (VmLck)
  bool may_exceed = false;   ///< it has CAP_IPC_LOCK: the limit does not hold for it
};

/// From a process's status and limits; without the command. nullopt where something is missing.
/// Source: fs/proc/array.c, proc_pid_status; fs/proc/task_mmu.c, task_mem.
std::optional<LockedMemory> locked_memory_from(std::string_view status, std::string_view limits);

/// Error: OwnerNotFound where there is none (any more), or its files cannot be read.
Result<LockedMemory> read_locked_memory(const Tree& tree, std::int32_t pid);

/// Raises both limits to at least `bytes`; never lowers one. Error: LimitNotRaised with the errno of prlimit(2): EPERM
/// without CAP_SYS_RESOURCE (kernel/sys.c, do_prlimit), ESRCH.
Result<> raise_locked_memory(std::int32_t pid, std::uint64_t bytes);

}  // namespace devbindd::sysfs
