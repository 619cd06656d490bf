// What the parts of Claims share. Only for claims*.cpp.
#pragma once

#include <string>

#include "handoff/claims.hpp"

namespace devbindd::handoff {

inline TimePoint now() { return std::chrono::system_clock::now(); }

/// When a process began, in ticks since the boot; nullopt when there is none.
std::optional<std::uint64_t> process_start_of(const sysfs::Tree& tree, std::int32_t pid);

/// Whether another card has come to sit where the claimed one was.
inline bool is_another(const ClaimedDevice& claimed, const sysfs::Device& device) {
  if (claimed.inode && claimed.inode != device.inode) return true;
  return claimed.vendor != device.vendor || claimed.device != device.device;
}

inline Refusal refusal(sysfs::ErrorCode code, std::string message) { return {{code, std::move(message)}, {}, {}}; }

}  // namespace devbindd::handoff
