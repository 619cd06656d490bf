// SPDX-License-Identifier: Apache-2.0
// Policies: which devices belong to which driver on this host, by the administrator's configuration. Put in force when
// the daemon starts, before it is ready, and on every device that is plugged in; never against the verdict, a claim or
// an override that somebody else has set. Not here: how a device is bound (engine.hpp), the file (daemon/).
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "handoff/model/policy.hpp"
#include "handoff/operation/engine.hpp"

namespace devbindd::handoff {

/// What has become of a policy at one device.
enum class PolicyOutcome {
  Pending,    ///< not tried yet, or being tried
  InForce,    ///< bound by it, or bound so already
  Respected,  ///< left alone: somebody else has set an override
  Refused,    ///< the verdict, or something that works on the device, says no
  Failed,     ///< the kernel did not take it; the device is as it was
};
std::string_view name_of(PolicyOutcome outcome);

struct PolicyRecord {
  std::string policy;
  PolicyOutcome outcome = PolicyOutcome::Pending;
  std::string reason = {};     ///< a sentence, "" when it is in force
  std::string operation = {};  ///< id of the operation that was begun, "" for none
};

class Policies {
 public:
  Policies(Engine& engine, std::vector<Policy> policies);

  /// Tries each policy at its devices, one after the other; calls `done` when all have been tried. An operation that
  /// hangs counts as tried. After Engine::start_recovery() and Claims::start().
  void start(std::function<void()> done);

  /// Tries them at these devices again: what was in the way may be over.
  void look_again(const std::vector<sysfs::PciAddress>& addresses);

  /// Tries them at the devices that these events announce.
  void take(const sysfs::UeventBatch& batch);

  const std::vector<Policy>& policies() const { return policies_; }
  /// By device: the first policy that matches it has it.
  const std::map<sysfs::PciAddress, PolicyRecord>& records() const { return records_; }
  /// The first policy that a device falls under, or nullptr.
  const Policy* policy_for(const sysfs::Device& device) const;
  /// The policy that will bring the device, or the functions of it, to its driver again: its own one, or for a VF that
  /// of its physical function; nullptr where there is none, or somebody else's override is respected.
  const Policy* keeper_of(const sysfs::Device& device) const;
  /// What the policies call the device: the labels of its own one, or for a VF those of the one that makes it.
  Labels labels_of(const sysfs::Device& device) const;
  /// Whether the device is as the policy wants it.
  bool holds(const Policy& policy, const sysfs::Device& device) const;

 private:
  /// Of a VF: the policy that makes it.
  const Policy* making_policy(const sysfs::Device& device) const;
  bool has_functions(const sysfs::PciAddress& address) const;
  void apply(std::vector<sysfs::PciAddress> addresses, std::function<void()> done);
  void try_next();
  std::vector<sysfs::Device> group_of(const Policy& policy, const sysfs::Device& device) const;
  void try_at(const Policy& policy, const sysfs::Device& device);
  void try_functions(const Policy& policy, const sysfs::Device& device);
  void submit(const Policy& policy, const sysfs::PciAddress& address);
  void refused(const sysfs::PciAddress& address, const Refusal& refusal);
  void begun(const sysfs::PciAddress& address, const std::string& operation);
  void tried(const sysfs::PciAddress& address, PolicyOutcome outcome, std::string reason);

  struct Round {
    std::vector<sysfs::PciAddress> left;
    std::function<void()> done;
  };

  Engine& engine_;
  std::vector<Policy> policies_;
  std::map<sysfs::PciAddress, PolicyRecord> records_;
  std::vector<Round> rounds_;  ///< the first is under way
  std::map<sysfs::PciAddress, unsigned> failures_;
};

}  // namespace devbindd::handoff
