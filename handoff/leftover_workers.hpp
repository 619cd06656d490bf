// Worker processes that an earlier daemon left behind: one that is inside the kernel cannot be ended, and may still
// change what it was told to change. Each shows in its command line what it works on.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "sysfs/pci_address.hpp"
#include "sysfs/tree.hpp"

namespace devbindd::handoff {

inline constexpr std::string_view worker_name = "devbindd-worker";  ///< its comm: at most 15 characters
/// The placeholder argument of a worker's command line that WorkerLabel writes over: as long as the longest label.
inline constexpr std::string_view worker_label_room = "........................................";

struct LeftoverWorker {
  std::int32_t pid = 0;
  std::string label;  ///< "idle", a device's address, or what else it works on; "" when it does not tell

  bool operator==(const LeftoverWorker&) const = default;
};

/// The workers that run and are no children of the process `own_pid`, of the same user as it. One that ends meanwhile
/// is left out. Source: proc(5).
std::vector<LeftoverWorker> leftover_workers(const sysfs::Tree& tree, std::int32_t own_pid);

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
