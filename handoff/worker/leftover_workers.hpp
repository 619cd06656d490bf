// SPDX-License-Identifier: Apache-2.0
// Worker processes that an earlier daemon left behind: one that is inside the kernel cannot be ended, and may still
// change what it was told to change. They are known by their locks (worker_lock.hpp); what each works on shows in its
// command line.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "sysfs/kernel/step.hpp"
#include "sysfs/kernel/tree.hpp"

namespace devbindd::handoff {

inline constexpr const char* worker_name = "devbindd-worker";  ///< its comm, for a person: at most 15 characters
/// The placeholder argument of a worker's command line that WorkerLabel writes over: as long as the longest label.
inline constexpr std::string_view worker_label_room = "........................................";

struct LeftoverWorker {
  std::int32_t pid = 0;
  std::string label;     ///< "idle", "reading", the label of a step; "" when it does not tell
  bool stopped = false;  ///< by a signal (SIGSTOP): then it is not inside the kernel

  bool operator==(const LeftoverWorker&) const = default;
};

/// Those of the processes `holders`, which hold a worker's lock, that are no children of the process `own_pid`. One
/// that ends meanwhile is left out. Source: proc(5).
std::vector<LeftoverWorker> leftover_workers(const sysfs::Tree& tree, const std::vector<std::int32_t>& holders,
                                             std::int32_t own_pid);

/// What a worker shows while it performs a step: the device's address, or what else the step is about.
std::string label_of(const sysfs::Step& step);

/// What a worker shows in its command line, by writing over one of its arguments.
class WorkerLabel {
 public:
  explicit WorkerLabel(std::span<char> room) : room_(room) { set("idle"); }
  /// Cut to the room there is.
  void set(std::string_view text);

 private:
  std::span<char> room_;
};

}  // namespace devbindd::handoff
