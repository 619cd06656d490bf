// SPDX-License-Identifier: Apache-2.0
#include "handoff/policy/policies.hpp"

#include <algorithm>

#include "handoff/plan/device_reasons.hpp"

namespace devbindd::handoff {
namespace {

// A driver that probes the device just now gets in the way: on hot-plug that is usual.
constexpr unsigned most_tries = 3;
constexpr std::chrono::milliseconds try_again{1000};

const Requester policy_requester{
    .transport = "policy", .uid = std::nullopt, .pid = std::nullopt, .local_address = {}, .may_change = true};

}  // namespace

std::string_view name_of(PolicyOutcome outcome) {
  switch (outcome) {
    case PolicyOutcome::Pending: return "pending";
    case PolicyOutcome::InForce: return "in_force";
    case PolicyOutcome::Respected: return "respected";
    case PolicyOutcome::Refused: return "refused";
    case PolicyOutcome::Failed: return "failed";
  }
  return "pending";
}

Policies::Policies(Engine& engine, std::vector<Policy> policies) : engine_(engine), policies_(std::move(policies)) {}

const Policy* Policies::policy_for(const sysfs::Device& device) const {
  if (sysfs::is_pci_bridge(device)) return nullptr;
  const auto found = std::ranges::find_if(policies_, [&device](const Policy& policy) {
    return matches(policy.selector, device) && (!policy.vfs || device.sriov_totalvfs) &&
           std::ranges::find(policy.exclude, device.address) == policy.exclude.end();
  });
  return found == policies_.end() ? nullptr : &*found;
}

const Policy* Policies::making_policy(const sysfs::Device& device) const {
  const auto* physical = device.physfn ? engine_.services().inventory.find(*device.physfn) : nullptr;
  const auto* making = physical != nullptr ? policy_for(*physical) : nullptr;
  const bool made =
      making != nullptr && making->vfs && std::ranges::find(making->exclude, device.address) == making->exclude.end();
  return made ? making : nullptr;
}

const Policy* Policies::keeper_of(const sysfs::Device& device) const {
  const auto record = records_.find(device.address);
  if (record != records_.end() && record->second.outcome == PolicyOutcome::Respected) return nullptr;
  const auto* own = policy_for(device);
  return own != nullptr ? own : making_policy(device);
}

Labels Policies::labels_of(const sysfs::Device& device) const {
  if (const auto* own = policy_for(device); own != nullptr && !own->vfs) return own->labels;
  const auto* making = making_policy(device);
  return making != nullptr ? making->labels : Labels{};
}

bool Policies::holds(const Policy& policy, const sysfs::Device& device) const {
  if (!policy.vfs) return device.driver && *device.driver == policy.driver;
  return device.virtfns.size() == *policy.vfs && std::ranges::all_of(device.virtfns, [&](const auto& address) {
           const auto* function = engine_.services().inventory.find(address);
           return function != nullptr && function->driver == policy.driver;
         });
}

void Policies::start(std::function<void()> done) {
  std::vector<sysfs::PciAddress> addresses;
  if (auto inventory = engine_.current(); inventory && !policies_.empty()) {
    for (const auto& [address, device] : (*inventory)->devices()) addresses.push_back(address);
  }
  apply(std::move(addresses), std::move(done));
}

// VFs come from their PF's driver, which may have come after the device.
bool Policies::has_functions(const sysfs::PciAddress& address) const {
  if (policies_.empty()) return false;
  const auto device = engine_.find_device(address);
  const auto* policy = device ? policy_for(*device) : nullptr;
  return policy != nullptr && policy->vfs;
}

// The native driver takes a new device before or after the event; either way it is bound from there.
void Policies::take(const sysfs::UeventBatch& batch) {
  std::vector<sysfs::PciAddress> added;
  for (const auto& event : batch.events) {
    const auto addresses = sysfs::addresses_in(event.devpath);
    if (event.subsystem != "pci" || addresses.empty()) continue;
    if (event.action == "remove") records_.erase(addresses.back());
    // Only a new device is tried as often again: its own operation sends events of other kinds.
    if (event.action == "add" || event.action == "remove") failures_.erase(addresses.back());
    if (event.action == "add" && !policies_.empty()) added.push_back(addresses.back());
    if (event.action == "bind" && has_functions(addresses.back())) added.push_back(addresses.back());
  }
  if (!added.empty()) apply(std::move(added), [] {});
}

void Policies::look_again(const std::vector<sysfs::PciAddress>& addresses) {
  if (policies_.empty()) return;
  for (const auto& address : addresses) failures_.erase(address);
  apply(addresses, [] {});
}

void Policies::apply(std::vector<sysfs::PciAddress> addresses, std::function<void()> done) {
  std::ranges::reverse(addresses);  // taken from the end
  rounds_.push_back({std::move(addresses), std::move(done)});
  if (rounds_.size() == 1) try_next();
}

void Policies::try_next() {
  while (!rounds_.empty()) {
    auto& round = rounds_.front();
    if (round.left.empty()) {
      const auto done = std::move(round.done);
      rounds_.erase(rounds_.begin());
      done();
      continue;
    }
    const auto address = round.left.back();
    round.left.pop_back();
    const auto device = engine_.find_device(address);
    const auto* policy = device ? policy_for(*device) : nullptr;
    if (policy == nullptr) continue;
    // What was found before stands until the new try has ended.
    if (auto& record = records_[address]; record.policy != policy->name) record = {.policy = policy->name};
    return try_at(*policy, *device);
  }
}

// What goes along with the device.
std::vector<sysfs::Device> Policies::group_of(const Policy& policy, const sysfs::Device& device) const {
  if (policy.scope != Scope::Group || !device.iommu_group) return {};
  auto group = engine_.services().inventory.group_members(*device.iommu_group);
  std::erase_if(group, sysfs::is_pci_bridge);
  return group;
}

// An override that devbindd has not set is the administrator's (or driverctl's) word on this device.
void Policies::try_at(const Policy& policy, const sysfs::Device& device) {
  if (holds(policy, device)) return tried(device.address, PolicyOutcome::InForce, {});
  if (policy.vfs) return try_functions(policy, device);
  for (const auto& member : group_of(policy, device)) {
    if (!may_take_along(policy.selector, member))
      return tried(device.address, PolicyOutcome::Refused, system_evidence(member).detail);
  }
  engine_.readers().overrides().read({device.address}, asker_of(policy_requester),
                                     [this, policy, address = device.address](const OverrideAnswers& answers) {
                                       const auto& answer = answers.at(address);
                                       if (!answer)
                                         return tried(address, PolicyOutcome::Refused, answer.error().message);
                                       const auto& set = *answer;
                                       const bool ours = engine_.originals().all().contains(address);
                                       if (set && *set != policy.driver.text() && !ours)
                                         return tried(
                                             address, PolicyOutcome::Respected,
                                             "its driver_override is '" + *set + "', which devbindd did not set");
                                       submit(policy, address);
                                     });
}

// VFs that somebody has made for a purpose of his own: excluded ones, and such with an override that is not ours. Ours
// is what the change that made them has left on them: the policy may have wanted another number then.
void Policies::try_functions(const Policy& policy, const sysfs::Device& device) {
  for (const auto& function : device.virtfns) {
    if (std::ranges::find(policy.exclude, function) != policy.exclude.end())
      return tried(device.address, PolicyOutcome::Respected, sysfs::to_string(function) + " is excluded");
  }
  engine_.readers().overrides().read(
      device.virtfns, asker_of(policy_requester), [this, policy, device](const OverrideAnswers& answers) {
        const bool kept = device.virtfns.size() == policy.vfs;
        const auto change = engine_.operations().last_change_of_functions(device.address);
        const auto made = change ? change->transitions : std::vector<Transition>{};
        for (const auto& function : device.virtfns) {
          const auto& answer = answers.at(function);
          if (!answer) return tried(device.address, PolicyOutcome::Refused, answer.error().message);
          const auto transition = std::ranges::find(made, function, &Transition::address);
          const bool left =
              transition != made.end() && transition->there_after && transition->override_after == *answer;
          const bool ours =
              engine_.originals().all().contains(function) || (kept && *answer == policy.driver.text()) || left;
          if (*answer && !ours)
            return tried(device.address, PolicyOutcome::Respected,
                         "the driver_override of " + sysfs::to_string(function) + " is '" + **answer +
                             "', which devbindd did not set");
        }
        submit(policy, device.address);
      });
}

void Policies::submit(const Policy& policy, const sysfs::PciAddress& address) {
  ChangeRequest request;
  request.address = address;
  request.driver = policy.driver;
  request.scope = policy.scope;
  if (policy.vfs) {
    request.kind = ChangeKind::SetVfs;
    request.scope.reset();
    request.functions = VirtualFunctions{.count = *policy.vfs, .kernel_chooses = false};
  }
  engine_.submit(std::move(request), policy_requester, false, [this, address](const Decision& decision) {
    if (const auto* refusal = std::get_if<Refusal>(&decision)) return refused(address, *refusal);
    if (const auto* accepted = std::get_if<Accepted>(&decision)) {
      const auto id = accepted->operation;
      records_[address].operation = id;
      return engine_.waiters().when_settled(id, [this, address, id] { begun(address, id); });
    }
    tried(address, PolicyOutcome::InForce, {});
  });
}

// What works on the device just now is waited for: a VF is announced while its PF's operation goes on.
void Policies::refused(const sysfs::PciAddress& address, const Refusal& refusal) {
  if (refusal.operation.empty()) return tried(address, PolicyOutcome::Refused, refusal.error.message);
  tried(address, PolicyOutcome::Pending, refusal.error.message);
  engine_.waiters().when_ended(refusal.operation, [this, address] { apply({address}, [] {}); });
}

void Policies::begun(const sysfs::PciAddress& address, const std::string& operation) {
  const auto found = engine_.operations().find(operation);
  if (!found) return tried(address, PolicyOutcome::Failed, found.error().message);
  const auto state = (*found)->state;
  if (state == OperationState::Succeeded) return tried(address, PolicyOutcome::InForce, {});
  if (state == OperationState::Blocked) {
    engine_.waiters().when_ended(operation, [this, address, operation] {
      const auto ended = engine_.operations().find(operation);
      const bool good = ended && (*ended)->state == OperationState::Succeeded;
      const auto record = records_.find(address);
      if (record != records_.end()) record->second.outcome = good ? PolicyOutcome::InForce : PolicyOutcome::Failed;
    });
    return tried(address, PolicyOutcome::Pending, "the kernel has not finished yet");
  }
  tried(address, PolicyOutcome::Failed, failure_of(**found));
}

void Policies::tried(const sysfs::PciAddress& address, PolicyOutcome outcome, std::string reason) {
  if (const auto record = records_.find(address); record != records_.end()) {
    record->second.outcome = outcome;
    record->second.reason = std::move(reason);
    const bool refused = outcome == PolicyOutcome::Refused || outcome == PolicyOutcome::Failed;
    if (refused && engine_.services().inform)
      engine_.services().inform("policy " + record->second.policy + " is not in force at " + sysfs::to_string(address) +
                                ": " + record->second.reason);
  }
  const bool again = outcome == PolicyOutcome::Failed && ++failures_[address] < most_tries && engine_.services().after;
  if (again) engine_.services().after(try_again, [this, address] { apply({address}, [] {}); });
  try_next();
}

}  // namespace devbindd::handoff
