// SPDX-License-Identifier: Apache-2.0
// What this process takes of the host, as the kernel counts it.
#pragma once

#include <cstdint>
#include <optional>

#include "sysfs/kernel/tree.hpp"

namespace devbindd::api {

struct ProcessUse {
  double cpu_seconds = 0;    ///< of user and kernel, without children
  double start_seconds = 0;  ///< since 1970, UTC
  std::uint64_t resident_bytes = 0;
  std::uint64_t virtual_bytes = 0;
  std::uint64_t open_descriptors = 0;
  std::uint64_t most_descriptors = 0;
  std::uint64_t threads = 0;
};

/// By /proc/self; nullopt where it cannot be read. Source: proc(5).
std::optional<ProcessUse> process_use(const sysfs::Tree& tree);

}  // namespace devbindd::api
