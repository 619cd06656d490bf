// SPDX-License-Identifier: Apache-2.0
// The claims: making one (choose devices, bind them all or none, open their nodes to the owner), keeping it (renewal,
// the owner's process, nodes that come anew), ending it (never while a device is open; give back, look whether the
// device still answers). On the daemon's one thread. Not here: binding (engine.hpp), ACLs (vfio/node_access.hpp), HTTP.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <variant>
#include <vector>

#include "handoff/claim/access_queue.hpp"
#include "handoff/claim/claim_run.hpp"
#include "handoff/model/claim.hpp"
#include "handoff/operation/engine.hpp"
#include "vfio/nodes.hpp"

namespace devbindd::handoff {

class Claims {
 public:
  /// Calls `on_end` once, when the process has ended; gives a function that stops that. Errors: Kernel (ESRCH).
  using WatchProcess =
      std::function<sysfs::Result<std::function<void()>>(std::int32_t pid, std::function<void()> on_end)>;

  struct Made {
    std::string id;
    bool existing = false;  ///< by the same idempotency key, from before
  };
  /// The operation that was to bind the devices has failed; they are as they were.
  struct Failed {
    std::string operation;
  };
  using Outcome = std::variant<Refusal, Failed, Preview, Made>;

  struct Hooks {
    WatchProcess watch_process;
    /// The claim is about to be active, also again after a restart: what its consumers read is made. An error ends it.
    std::function<sysfs::Result<>(const Claim&)> publish = {};
    /// It is over, or about to be.
    std::function<sysfs::Result<>(const Claim&)> withdraw = {};
    /// It has ended, and holds its devices no longer.
    std::function<void(const Claim&)> freed = {};
    /// What the host's policies call a device, for selectors by labels.
    std::function<Labels(const sysfs::Device&)> labels_of = {};
  };

  Claims(Engine& engine, Hooks hooks);

  /// Takes over what an earlier daemon's journal has: brings half-made and half-ended claims to their end, opens nodes
  /// again, marks claims of an earlier boot as lost. After Engine::start_recovery().
  void start();

  /// Calls `done` once: when the claim is active or has failed, or while it is still preparing, when the kernel blocks.
  /// With `dry_run` nothing is taken: the answer is what binding the devices that would be chosen takes, or what would
  /// refuse that.
  /// Before it `accepted` is called, when there is a claim that is being made: its devices are held.
  void create(ClaimRequest request, Requester requester, bool dry_run, std::function<void(Outcome)> done,
              std::function<void(const std::string& id)> accepted = {});

  /// Prolongs it by its time to live, or by `ttl` from now on. One that lasts while its owner is connected lasts from
  /// now on as long as this connection too. Errors: ClaimNotFound, ClaimNotActive, JournalFailed.
  void renew(const std::string& id, const Requester& requester, std::optional<std::chrono::seconds> ttl,
             std::function<void(sysfs::Result<>)> done);

  /// Ends it. Refused (ClaimInUse, with who has it open) while a device is open, unless `when_closed`: then it waits.
  /// `done` gets nullopt when it has ended, is quarantined, or waits; before it `accepted` is called, when its end has
  /// begun. Other errors: ClaimNotFound, ClaimNotActive.
  void release(const std::string& id, const Requester& requester, bool when_closed,
               std::function<void(std::optional<Refusal>)> done, std::function<void()> accepted = {});

  /// What ending it now would do: the resets and the give-back, and what would refuse it. Errors: as release().
  void preview_release(const std::string& id, const Requester& requester, bool when_closed,
                       std::function<void(std::variant<Refusal, Preview>)> done);

  /// Frees the devices of a quarantined claim. Errors: ClaimNotFound, ClaimNotActive, JournalFailed.
  void acknowledge(const std::string& id, const Requester& requester, std::function<void(sysfs::Result<>)> done);

  /// nullptr when there is none.
  const Claim* find(const std::string& id) const;
  /// All that are known, oldest first.
  std::vector<const Claim*> all() const;
  /// The id of the claim that holds the device, or "".
  std::string holder_of(const sysfs::Device& device) const;

  /// Takes in what uevents tell of the kernel's recovery of claimed devices from errors: the claims say so, and one
  /// that could not be recovered is not given back. Source: pci_uevent_ers() in drivers/pci/pci-driver.c.
  void take(const sysfs::UeventBatch& batch);

  /// To be called when nodes of VFIO appeared or udev has set their mode: opens them to their owners again.
  void nodes_changed();

 private:
  struct Attempt;
  /// What a dry run of the binding of a device with its group says.
  struct Finding {
    std::string reason = {};  ///< why not; "" where it may be taken
    int rank = 0;             ///< how much it is worth avoiding: 0 without any evidence
  };
  struct OpenDevices {
    std::vector<vfio::Holder> holders = {};  ///< who is seen to have one open
    std::set<sysfs::PciAddress> open = {};   ///< which are, by whomever
  };

  void adopt(const std::string& id);
  void adopt_preparing(const std::string& id);
  static std::function<void(Outcome)> previewing(std::function<void(Outcome)> done);
  std::function<void(Outcome)> audited(const Attempt& attempt, std::function<void(Outcome)> done);
  void find_owners(const std::shared_ptr<Attempt>& attempt);
  struct Held;
  struct Pool;
  /// Claims that are made one after the other, some at once.
  struct Line {
    std::deque<std::shared_ptr<Attempt>> waiting = {};
    std::size_t at_work = 0;
    bool going_on = false;
  };

  void line_up(const std::shared_ptr<Attempt>& attempt);
  void go_on(Line& line);
  bool has_left(const std::shared_ptr<Attempt>& attempt);
  bool is_labelled(const sysfs::Device& device, const Labels& wanted) const;
  Held held() const;
  std::optional<NotFree> obstacle(const Held& held, const sysfs::Device& device) const;
  NotFree claimed_by(const sysfs::Device& device, const std::string& claim, std::string detail) const;
  void choose(const std::shared_ptr<Attempt>& attempt);
  std::optional<NotFree> sort_in(const Attempt& attempt, const sysfs::Device& device, Pool& pool) const;
  void select(const std::shared_ptr<Attempt>& attempt, const sysfs::Inventory& inventory);
  bool look_further(Attempt& attempt, const std::string& pool) const;
  void look(const std::shared_ptr<Attempt>& attempt, const std::vector<const sysfs::Device*>& unknown,
            std::size_t wanted);
  void looked(const std::shared_ptr<Attempt>& attempt);
  void stop_looking(Attempt& attempt);
  void wake_waiting();
  void look_at(const std::shared_ptr<Attempt>& attempt, const sysfs::PciAddress& address);
  void note_finding(const std::shared_ptr<Attempt>& attempt, const sysfs::Device& device, Finding finding);
  void look_at_facts(const std::shared_ptr<Attempt>& attempt, const sysfs::PciAddress& address);
  void try_binding(const std::shared_ptr<Attempt>& attempt, const sysfs::PciAddress& address);
  bool is_made_already(const std::shared_ptr<Attempt>& attempt);
  void hold(const std::shared_ptr<Attempt>& attempt);
  void preview(const std::shared_ptr<Attempt>& attempt);
  void bind(const std::shared_ptr<Attempt>& attempt);
  void bound(const std::string& id, std::function<void(Outcome)> done);
  void activate(const std::string& id, std::function<void(Outcome)> done);
  void open_nodes(const std::string& id, const std::function<void(Outcome)>& done);
  void not_activated(const std::string& id, const sysfs::Error& error, const std::string& what,
                     const std::function<void(Outcome)>& done);
  void activated(const std::string& id, const std::function<void(Outcome)>& done);
  void withdraw(const Claim& claim);
  void warn(const sysfs::Result<>& done) const;
  void audit(const Claim& claim, AuditEvent event);
  void watch(const std::string& id);
  void connect(const std::string& id, const Requester& requester);
  void disconnected(const std::string& id, const std::shared_ptr<Connection>& connection);
  void watch_connection(const std::string& id);
  void await_connection(const std::string& id);
  void forget_connections(const std::string& id);
  void watch_time(const std::string& id);
  void grant(const std::string& id, std::function<void(sysfs::Result<>)> done);
  void revoke(const std::string& id, std::function<void(sysfs::Result<>)> done);
  void find_holders(const std::string& id, const Asker& asker, std::function<void(sysfs::Result<OpenDevices>)> done);
  std::optional<Refusal> not_to_be_released(const std::string& id) const;
  void begin_release(const std::string& id, std::string reason);
  static bool is_taken_back(const Claim& claim, const std::set<sysfs::PciAddress>& open);
  void release_when_closed(const std::string& id);
  void look_for_hidden(const std::string& id, std::function<void(bool)> done);
  void give_back(const std::string& id, const std::set<sysfs::PciAddress>& open);
  void give_back_healthy(const std::string& id);
  void not_given_back(const std::string& id, const Refusal& refusal);
  void fail_once_more(const std::string& id, std::string reason);
  bool is_left_out(const std::string& id, const Operation& operation);
  void given_back(const std::string& id);
  bool has_reset(const sysfs::PciAddress& address) const;
  std::optional<sysfs::Step> reset_of(const Claim& claim, const ClaimedDevice& claimed) const;
  bool is_to_wait(const std::string& id, const sysfs::PciAddress& address);
  void reset_devices(const std::string& id, std::size_t at, const std::set<sysfs::PciAddress>& open,
                     const std::function<void()>& done);
  void note_reset(const std::string& id, ClaimedDevice& claimed, const TaskResult& result);
  std::optional<Evidence> without_reset(const ClaimRequest& request, const std::vector<sysfs::Device>& group) const;
  void check_health(const std::string& id, std::function<void()> checked);
  bool concerns(const sysfs::PciAddress& claimed, const sysfs::PciAddress& said,
                std::optional<ErrorRecovery> recovery) const;
  bool is_being_recovered(const Claim& claim) const;
  std::string fault_in(const ClaimedDevice& claimed, const ConfigReader::Answer& config) const;
  std::string faults_of(const std::string& id) const;
  void given_back_or_quarantined(const std::string& id);
  void try_again(const std::string& id, std::string reason);
  void end(const std::string& id, ClaimState state, std::string reason);
  void forget_oldest(const std::string& ended);
  void forget(const std::string& id);
  void drop_key(const std::string& id);
  void told(const std::string& id);
  void when_made(const std::string& id, const Requester& requester, std::function<void(Outcome)> done);
  void answer_again(const Claim& known, const ClaimRequest& request, const Requester& requester,
                    std::function<void(Outcome)> done);
  void made(const std::string& id);
  void note_changes(Claim& claim) const;
  static void note_settings(Claim& claim, const std::vector<Transition>& transitions);
  sysfs::Result<std::vector<vfio::Node>> nodes_of(const Claim& claim, TaskKind kind) const;
  vfio::Grantees to_lose(const vfio::Node& node, const Claim& claim) const;
  void note_earlier_access(Claim& claim, const std::vector<vfio::Node>& nodes,
                           const AccessQueue::Answers& answers) const;
  void look_at_access(const std::string& id, std::function<void(sysfs::Result<>)> done);
  std::vector<Task> access_tasks(TaskKind kind, const Claim& claim, const std::vector<vfio::Node>& nodes) const;
  AccessQueue::Tasks tasks_for(const Claim& claim, TaskKind kind) const;
  sysfs::DriverName driver_for(const ClaimRequest& request, const std::vector<sysfs::Device>& group) const;
  std::vector<sysfs::Device> group_of(const sysfs::PciAddress& address) const;
  ChangeRequest binding_of(const Claim& claim) const;
  ChangeRequest give_back_of(const Claim& claim) const;
  const Claim* same_key(const ClaimRequest& request, const Requester& requester) const;
  void store(const Claim& claim, std::function<void(sysfs::Result<>)> done);
  void store(const Claim& claim);

  Engine& engine_;
  Hooks hooks_;
  std::map<std::string, Claim> claims_;
  std::set<std::string> holding_;         ///< ids of those that hold devices
  std::vector<std::string> order_;        ///< ids, oldest first; one that has ended moves to the end
  std::map<std::string, ClaimRun> runs_;  ///< by the id of the claim
  Line making_now_;
  Line trying_;                                              ///< dry runs
  std::set<std::string> looked_at_;                          ///< groups and devices, each for one claim
  std::vector<std::shared_ptr<Attempt>> waiting_for_looks_;  ///< of others, at the devices that are left
  AccessQueue access_;
  std::uint64_t last_token_ = 0;
};

}  // namespace devbindd::handoff
