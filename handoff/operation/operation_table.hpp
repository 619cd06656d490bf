// SPDX-License-Identifier: Apache-2.0
// Which operations there are: those that run, and the newest of those that have ended, of earlier daemons too, all as
// values. Not here: what makes them run (operation_runs.hpp), who waits for them (operation_waiters.hpp).
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "handoff/model/durations.hpp"
#include "handoff/model/operation.hpp"
#include "handoff/operation/damaged_rows.hpp"

namespace devbindd::handoff {

class OperationTable {
 public:
  using Running = std::map<std::string, std::shared_ptr<Operation>>;  ///< by id
  using Past = std::deque<std::shared_ptr<const Operation>>;          ///< newest first
  using Ended = std::map<std::pair<ChangeKind, OperationState>, Durations>;
  using Counts = std::function<bool(const Operation&)>;  ///< whether one is meant

  /// `boot_id`: of the kernel that runs now.
  explicit OperationTable(std::string boot_id) : boot_id_(std::move(boot_id)) {}

  /// Takes over what an earlier daemon has kept, newest first. What it left unfinished runs: what its steps have done
  /// is not known. A row that cannot be read is set aside.
  void adopt(const std::vector<OperationRow>& rows, DamagedRows& damaged);
  void add(std::shared_ptr<Operation> operation);
  /// Forgets one that was added and did not begin.
  void drop(const std::string& id);
  /// From now on it is one of the past; the oldest beyond max_operations goes.
  void end(const std::string& id);

  const Running& running() const { return running_; }
  /// The running one, or nullptr.
  std::shared_ptr<Operation> find_running(const std::string& id) const;
  const Past& past() const { return past_; }

  /// The operation, running or past, as it is now. Its end is shown when that is on disk and the devices are free
  /// again: until then the operation runs. Error: OperationNotFound.
  sysfs::Result<std::shared_ptr<const Operation>> find(const std::string& id) const;
  /// The ids of all operations, newest first, those that run before the others; or of those in a state.
  std::vector<std::string> ids(std::optional<OperationState> state = {}) const;
  /// The id of the running operation on a device, or "".
  std::string id_on(const sysfs::PciAddress& address) const;
  /// The operation that was begun for a claim and binds its devices, or "".
  std::string id_of_claim(const std::string& claim) const;
  /// The newest operation of this boot that has changed the VFs of a PF, of those that `counts` where it is given.
  std::optional<Operation> last_change_of_functions(const sysfs::PciAddress& physical, const Counts& counts = {}) const;
  /// Whether a running operation destroys this VF: it may come back by its undo.
  bool remakes(const sysfs::PciAddress& address) const;
  bool is_blocked(const std::string& id) const;
  /// Whether one is between two writes and would be cut off by an exit now. Blocked ones do not count: nobody can say
  /// how long they take.
  bool is_busy() const;
  /// Counts the operations of this daemon that were to change the device.
  std::uint64_t changes_begun(const sysfs::PciAddress& address) const;
  /// Those that have ended since this daemon runs, by what they were and what came of them.
  const Ended& ended() const { return ended_; }
  /// Counts operations that began or ended.
  std::uint64_t generation() const { return generation_; }

 private:
  std::string boot_id_;
  std::uint64_t generation_ = 0;
  std::map<sysfs::PciAddress, std::uint64_t> changes_begun_;
  Running running_;
  Ended ended_;
  Past past_;
};

}  // namespace devbindd::handoff
