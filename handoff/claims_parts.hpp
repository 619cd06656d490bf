// What the parts of Claims share. Only for claims*.cpp.
#pragma once

#include <string>

#include "handoff/claims.hpp"

namespace devbindd::handoff {

/// How long an ending claim waits for whatever it waits for before it looks again.
constexpr std::chrono::milliseconds look_again{1000};

inline TimePoint now() { return std::chrono::system_clock::now(); }

/// When a process began, in ticks since the boot; nullopt when there is none, or it has ended.
std::optional<std::uint64_t> process_start_of(const sysfs::Tree& tree, std::int32_t pid);

/// Whether the number is that of a thread other than its process's first.
bool is_thread(const sysfs::Tree& tree, std::int32_t pid);

inline Refusal refusal(sysfs::ErrorCode code, std::string message) { return {{code, std::move(message)}, {}, {}}; }

}  // namespace devbindd::handoff
