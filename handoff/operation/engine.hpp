// SPDX-License-Identifier: Apache-2.0
// The one place that decides on changes: gathers the facts, has the plan made, refuses or runs it, and keeps the
// records. One operation at a time for each IOMMU group; groups side by side. Lives on the daemon's one thread: no
// locks. Not here: HTTP, processes, SQL.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <variant>
#include <vector>

#include "handoff/journal/journal.hpp"
#include "handoff/model/selection.hpp"
#include "handoff/operation/device_locks.hpp"
#include "handoff/operation/drains.hpp"
#include "handoff/operation/execution.hpp"
#include "handoff/plan/plan.hpp"
#include "handoff/worker/attribute_reader.hpp"
#include "handoff/worker/config_reader.hpp"
#include "handoff/worker/leftover_workers.hpp"
#include "handoff/worker/override_reader.hpp"
#include "sysfs/device/inventory.hpp"

namespace devbindd::handoff {

/// What became of a request.
struct Refusal {
  sysfs::Error error;
  std::vector<Evidence> evidence;           ///< what says no, for ErrorCode::Refused
  std::string operation;                    ///< id of the one in the way, for OperationInProgress
  std::vector<LookedAt> looked_at = {};     ///< what was looked at before the refusal
  std::optional<Selection> selection = {};  ///< of a claim by selector that finds too few
};
struct Preview {
  Plan plan;
  std::vector<Evidence> refused_by;         ///< empty: the request would be carried out
  std::optional<Selection> selection = {};  ///< as in Refusal
};
struct Unchanged {
  Plan plan;  ///< without steps: the wanted state is there already
};
struct Accepted {
  std::string operation;
};
struct Part;

using HoldersAnswer = sysfs::Result<std::vector<vfio::Holder>>;
/// The uses of a device. Error: as GuardedReader; then nothing is known.
using UsageAnswer = sysfs::Result<Usage>;
using Decision = std::variant<Refusal, Preview, Unchanged, Accepted>;

class Engine {
 public:
  struct Services {
    const sysfs::Tree& tree;
    sysfs::Inventory& inventory;
    std::function<sysfs::UeventBatch()> drain_uevents;
    RunTask run_task;  ///< for questions, and for what needs no worker of its own
    Journal& journal;
    const sysfs::ModuleIndex& modules;
    bool read_only = false;
    std::string boot_id = {};
    /// The worker processes of earlier daemons that still run.
    std::function<std::vector<LeftoverWorker>()> leftovers = [] { return std::vector<LeftoverWorker>{}; };
    /// Ends such a process, which has been stopped by a signal.
    std::function<void(std::int32_t pid)> end_leftover = [](std::int32_t) {};
    /// Runs a function after a while, on the daemon's thread. Without it nothing is recovered.
    std::function<void(std::chrono::milliseconds, std::function<void()>)> after = {};
    /// A worker for one accepted operation, as long as it lasts. Without it `run_task` is used.
    OpenLane open_lane = {};
    std::function<void(const std::string&)> inform = {};  ///< for what is worth a line in the log
    std::function<void(const std::string&)> warn = {};    ///< for what is worth a line in the log and nothing more
  };

  explicit Engine(Services services);

  /// Brings the operations that an earlier daemon left unfinished to an end, before any request is taken: each as it
  /// was asked for where the kernel shows that, else as it was before. Until then they keep their devices from others.
  void start_recovery();

  /// Calls `decide` once: at once, or when the facts are there.
  void submit(ChangeRequest request, Requester requester, bool dry_run, std::function<void(Decision)> decide);

  /// Takes in what uevents tell: the snapshot is marked, and what was known of a device that was removed is forgotten.
  void take(const sysfs::UeventBatch& batch);

  /// The snapshot as the kernel has it now. Error: Kernel, when it cannot be read.
  sysfs::Result<const sysfs::Inventory*> current();
  /// The device at the address as the kernel has it now. Errors: DeviceNotFound; as current().
  sysfs::Result<sysfs::Device> find_device(const sysfs::PciAddress& address);

  /// The operation, running or past, as it is now. Its end is shown when that is on disk and the devices are free
  /// again: until then the operation runs. Error: OperationNotFound.
  sysfs::Result<std::shared_ptr<const Operation>> find_operation(const std::string& id) const;
  /// The ids of all operations, newest first, those that run before the others; or of those in a state.
  std::vector<std::string> operation_ids(std::optional<OperationState> state = {}) const;
  /// Calls `ready` when the operation has ended or got blocked; at once if that is so now. `ready` may outlive its use.
  void when_settled(const std::string& id, std::function<void()> ready);
  /// Calls `ready` when the operation has ended; at once if it has. As long as the kernel takes.
  void when_ended(const std::string& id, std::function<void()> ready);
  bool is_blocked(const std::string& id) const;
  /// The operation that was begun for a claim and binds its devices, or "".
  std::string operation_of_claim(const std::string& claim) const;
  /// The newest operation of this boot that has changed the VFs of a PF, of those that `counts` where it is given.
  std::optional<Operation> last_change_of_functions(const sysfs::PciAddress& physical,
                                                    const std::function<bool(const Operation&)>& counts = {}) const;
  /// From now on a device for which `lookup` gives the id of a claim is kept from every request that is not the
  /// claim's own.
  void set_claim_lookup(std::function<std::string(const sysfs::Device&)> lookup) { claim_of_ = std::move(lookup); }
  /// The claim that holds the device, or "".
  std::string claim_of(const sysfs::Device& device) const { return claim_of_ ? claim_of_(device) : std::string{}; }

  /// Devices that get no new claims.
  Drains& drains() { return drains_; }
  const Drains& drains() const { return drains_; }

  /// Keeps every operation away from the device and its group until the returned function is called, for an active
  /// probe. Errors: OperationInProgress, ShuttingDown, ReadOnly.
  sysfs::Result<std::function<void()>> reserve(const sysfs::Device& device);

  const std::map<sysfs::PciAddress, Original>& originals() const { return originals_; }
  /// The operation that could not be undone and left the device half-way, or "": a give-back tries it again.
  std::string left_half_way_by(const sysfs::PciAddress& address) const;
  /// The id of the running operation on a device, or "".
  std::string operation_on(const sysfs::PciAddress& address) const;
  /// What keeps changes from the device or its group now: the id of an operation, "an active probe", or "".
  std::string work_on(const sysfs::Device& device) const { return locks_.holder_of(keys_of({device})); }
  OverrideReader& overrides() { return overrides_; }
  ConfigReader& configs() { return configs_; }
  AttributeReader& attributes() { return attributes_; }
  GuardedReader& vital_product_data() { return vital_product_data_; }
  /// The alternative names of all network interfaces. Errors: as GuardedReader.
  void find_alternative_names(const Asker& asker, std::function<void(sysfs::Result<sysfs::AlternativeNames>)> done);
  /// How the host uses a device and its VFs, found out by a worker. `requester` tells the connection that must not be
  /// cut.
  void find_usage(const sysfs::PciAddress& address, const Requester& requester, std::function<void(UsageAnswer)> done);
  /// The same of several devices by few tasks, with an entry for each.
  void find_usages(const std::vector<sysfs::PciAddress>& addresses, const Asker& asker,
                   const std::optional<std::string>& local_address,
                   std::function<void(std::map<sysfs::PciAddress, UsageAnswer>)> done);
  /// Who has a VFIO-bound device open. Errors: Overdue, Kernel.
  void find_holders(const sysfs::Device& device, const Asker& asker, std::function<void(HoldersAnswer)> done);
  /// The same of several devices, in their order, by one look through all processes.
  void find_holders(const std::vector<sysfs::Device>& devices, const Asker& asker,
                    std::function<void(std::vector<HoldersAnswer>)> done);
  /// The VFs of a PF that somebody has open through VFIO, with whoever is seen to have them open.
  void find_open_functions(const sysfs::Device& device, const Asker& asker,
                           std::function<void(std::vector<OpenFunction>)> done);
  const Services& services() const { return services_; }
  /// Keeps a row of the journal aside that cannot be read, and names it in the log.
  void set_aside(DamagedRow row);
  /// Those of this daemon and of earlier ones, oldest first.
  const std::vector<DamagedRow>& damaged_rows() const { return damaged_; }

  /// From now on every change is refused with ShuttingDown.
  void stop_accepting() { stopping_ = true; }
  bool accepting() const { return !stopping_; }
  /// Whether an operation is between two writes and would be cut off by an exit now. Blocked ones do not count: nobody
  /// can say how long they take.
  bool busy() const;

 private:
  struct Gathering;
  struct Running;

  void adopt(const Remembered& remembered);
  void adopt_half_way();
  void forget_devices_of_before();
  void adopt_unfinished(Operation operation);
  void recover(const std::string& id);
  bool wait_for_leftovers(const std::string& id);
  void select_unfinished(Gathering& gathering);
  void decide_recovery(const std::shared_ptr<Gathering>& gathering);
  void repair(const std::string& id, Plan plan);
  void end_recovery(const std::string& id, OperationState state, std::optional<sysfs::Error> error);
  void gather(std::shared_ptr<Gathering> gathering);
  void check_serials(const std::shared_ptr<Gathering>& gathering, std::size_t at);
  void gather_overrides(const std::shared_ptr<Gathering>& gathering);
  void gather_vf_settings(const std::shared_ptr<Gathering>& gathering);
  static void take_vf_settings(Gathering& gathering, const sysfs::PciAddress& physical, const TaskResult& result);
  void gather_holders(const std::shared_ptr<Gathering>& gathering);
  std::vector<sysfs::Device> bound_functions(const sysfs::Device& physical) const;
  void gather_uses(const std::shared_ptr<Gathering>& gathering);
  void gathered(const std::shared_ptr<Gathering>& gathering);
  Facts host_facts() const;
  sysfs::Result<> select_members(Gathering& gathering);
  sysfs::Result<> select_members(Part& part, const sysfs::Inventory& inventory) const;
  void select_functions(Part& part, const sysfs::Device& physical, const sysfs::Inventory& inventory) const;
  std::string other_claim(const ChangeRequest& request, const sysfs::Device& device) const;
  void add_member(Part& part, const sysfs::Device& device) const;
  sysfs::Result<DriverFacts> look_up_driver(const sysfs::DriverName& name) const;
  sysfs::Result<> look_up_drivers(Gathering& gathering) const;
  std::function<void(Decision)> audited(const Gathering& gathering, std::function<void(Decision)> decide);
  void decide(const std::shared_ptr<Gathering>& gathering);
  void add_originals(const Part& part, const std::string& operation, std::vector<Original>& originals) const;
  void begin(const std::shared_ptr<Gathering>& gathering, Plan plan);
  sysfs::Result<RunTask> open_lane() const;
  void started(const std::string& id);
  bool is_remade(const sysfs::PciAddress& address) const;
  void mark_half_way(const Operation& operation);
  void forget_drain(const sysfs::PciAddress& address);
  void forget_drains_of_gone(const Operation& operation);
  void ended(const std::string& id);
  std::vector<sysfs::PciAddress> originals_to_forget(const Operation& operation) const;
  LockKeys lock_keys(const Gathering& gathering) const;
  void warn(const sysfs::Result<>& stored) const;
  void notify(const std::string& id);

  Services services_;
  OverrideReader overrides_;
  ConfigReader configs_;
  AttributeReader attributes_;
  GuardedReader vital_product_data_;
  GuardedReader usage_;
  GuardedReader vf_settings_;
  std::vector<DamagedRow> damaged_;
  GuardedReader alternative_names_;
  Drains drains_;
  std::map<sysfs::PciAddress, Original> originals_;
  std::map<std::string, std::unique_ptr<Running>> running_;
  std::map<sysfs::PciAddress, std::string> half_way_;  ///< device -> id of the operation that left it so
  std::deque<std::shared_ptr<const Operation>> past_;  ///< newest first
  DeviceLocks locks_;                                  ///< by the id of an operation
  std::map<std::string, std::vector<std::function<void()>>> waiting_;
  std::map<std::string, std::vector<std::function<void()>>> waiting_for_end_;
  std::function<std::string(const sysfs::Device&)> claim_of_;
  std::uint64_t ended_count_ = 0;
  bool stopping_ = false;

 public:
  ~Engine();
};

}  // namespace devbindd::handoff
