// SPDX-License-Identifier: Apache-2.0
// How the engine learns what the kernel says before it decides: the members of a request, their overrides, who has them
// open, how the host uses them. Each may take workers, one after the other.
#include <algorithm>

#include "handoff/operation/engine_parts.hpp"
#include "handoff/plan/virtual_functions.hpp"
#include "sysfs/device/pci_driver.hpp"
#include "sysfs/device/serial_number.hpp"
#include "sysfs/kernel/paths.hpp"
#include "sysfs/use/read_only_mount.hpp"

namespace devbindd::handoff {
namespace {

using sysfs::ErrorCode;

constexpr int max_gather_rounds = 4;

// One that found autoprobe off and left it so tells nothing of who had turned it off.
bool says_of_autoprobe(const Operation& change) {
  if (change.request.functions && change.request.functions->autoprobe) return true;
  return std::ranges::any_of(change.transitions, [](const Transition& transition) {
    const auto& before = transition.functions_before;
    const auto& after = transition.functions_after;
    return before && after && (before->autoprobe || after->autoprobe);
  });
}

// By itself, for VFs that were to have no driver, and not because it was told to.
bool has_taken_autoprobe(const std::optional<Operation>& change) {
  if (!change || !change->request.functions || change->request.functions->autoprobe) return false;
  return std::ranges::any_of(change->transitions, [](const Transition& transition) {
    const auto& before = transition.functions_before;
    const auto& after = transition.functions_after;
    return before && after && before->autoprobe && !after->autoprobe;
  });
}

// Whether its uses count: what would be lost with a driver of the host, and of any other device who has its memory
// mapped. The end of a claim and that of an operation from before do not wait for the latter; for VFs the look at their
// PF tells.
bool are_uses_asked(bool recovers, const ChangeRequest& request, const sysfs::Device& device) {
  if (device.driver && !sysfs::is_vfio_bound(device)) return true;
  return !recovers && request.kind != ChangeKind::SetVfs && (!sysfs::is_vfio_bound(device) || request.claim.empty());
}

// A VF that is open, as its enable count or somebody's descriptor tells.
std::optional<OpenFunction> open_function(const sysfs::Tree& tree, const sysfs::Device& function,
                                          const HoldersAnswer& holders) {
  const bool held = holders && !holders->empty();
  if (!held && !sysfs::is_open(tree, function)) return std::nullopt;
  return OpenFunction{function.address, holders ? *holders : std::vector<vfio::Holder>{}};
}

}  // namespace

Decision in_the_way(const std::string& holder) {
  const bool probe = holder == probe_holder;
  return Refusal{{ErrorCode::OperationInProgress,
                  (probe ? holder : "operation " + holder) + " works on this device or its IOMMU group"},
                 {},
                 probe ? std::string{} : holder};
}

void Engine::gather(std::shared_ptr<Gathering> gathering) {
  gathering->parts.clear();
  const auto facts = host_facts();
  for (auto& request : parts_of(gathering->request)) gathering->parts.push_back({std::move(request), facts});
  gathering->error.reset();
  gathering->ended_at_start = ended_count_;
  if (auto selected = select_members(*gathering); !selected) {
    return gathering->decide(Refusal{selected.error(), {}, {}});
  }
  const auto holder = locks_.holder_of(lock_keys(*gathering));
  if (!holder.empty() && holder != gathering->recovers) return gathering->decide(in_the_way(holder));
  if (auto looked_up = look_up_drivers(*gathering); !looked_up) {
    return gathering->decide(Refusal{looked_up.error(), {}, {}});
  }
  check_serials(gathering, 0);
}

// The serial number is in the configuration space, which a worker reads.
void Engine::check_serials(const std::shared_ptr<Gathering>& gathering, std::size_t at) {
  const auto& parts = gathering->parts;
  while (at < parts.size() && !parts[at].request.expect.serial) ++at;
  if (at == parts.size()) return gather_overrides(gathering);
  configs_.read(
      *parts[at].request.address, gathering->asker, [this, gathering, at](const ConfigReader::Answer& config) {
        if (!config) return gathering->decide(Refusal{config.error(), {}, {}});
        auto wrong = mismatch_of_serial(gathering->parts[at].request.expect, sysfs::device_serial_number(*config));
        if (wrong.empty()) return check_serials(gathering, at + 1);
        gathering->decide(Refusal{{ErrorCode::IdentityMismatch, std::move(wrong)}, {}, {}});
      });
}

void Engine::gather_overrides(const std::shared_ptr<Gathering>& gathering) {
  std::vector<sysfs::PciAddress> addresses;
  for (const auto* member : members_of(gathering->parts)) addresses.push_back(member->device.address);
  overrides_.read(addresses, gathering->asker, [this, gathering](const OverrideAnswers& answers) {
    for (auto* member : members_of(gathering->parts)) {
      const auto& answer = answers.at(member->device.address);
      if (answer) {
        member->driver_override = *answer;
      } else if (answer.error().code == ErrorCode::Overdue) {
        member->override_known = false;
      } else {
        gathering->error = answer.error();
      }
    }
    gather_vf_settings(gathering);
  });
}

// Of the VFs that a part binds, or makes anew: what their PF's driver knows of them.
void Engine::gather_vf_settings(const std::shared_ptr<Gathering>& gathering) {
  std::set<sysfs::PciAddress> asked;
  for (auto& part : gathering->parts) {
    if (!changes_binding(part.request)) continue;
    for (const auto& member : part.facts.members) {
      const auto* physical = member.device.physfn ? services_.inventory.find(*member.device.physfn) : nullptr;
      const bool network =
          physical != nullptr && (sysfs::category(*physical) == "network" ||
                                  sysfs::exists(services_.tree, sysfs::paths::attribute(physical->address, "net")));
      if (network && physical->driver && !sysfs::is_vfio_bound(*physical)) asked.insert(physical->address);
    }
  }
  gathering->waiting = asked.size();
  if (asked.empty()) return gather_holders(gathering);
  for (const auto& address : asked) {
    vf_settings_.read(address, {TaskKind::ReadVfSettings, {sysfs::to_string(address)}, gathering->asker},
                      [this, gathering, address](const TaskResult& result) {
                        take_vf_settings(*gathering, address, result);
                        if (--gathering->waiting == 0) gather_holders(gathering);
                      });
  }
}

void Engine::take_vf_settings(Gathering& gathering, const sysfs::PciAddress& physical, const TaskResult& result) {
  std::map<std::string, std::string> settings;
  for (std::size_t at = 0; result && at + 1 < result->size(); at += 2) settings[(*result)[at]] = (*result)[at + 1];
  for (auto* member : members_of(gathering.parts)) {
    const auto known = settings.find(sysfs::to_string(member->device.address));
    if (known != settings.end()) member->vf_settings = known->second;
    if (member->device.address != physical && member->device.physfn != physical) continue;
    if (!result) member->vf_settings_missing = result.error().message;
    if (result && settings.size() < member->device.virtfns.size() && member->device.address == physical)
      member->vf_settings_missing = "the kernel told those of " + std::to_string(settings.size()) + " only";
  }
}

Facts Engine::host_facts() const {
  Facts facts;
  facts.denylist_off = services_.tree.read("sys/module/vfio_pci/parameters/disable_denylist").value_or("N") == "Y";
  facts.vfio_sriov = services_.tree.read("sys/module/vfio_pci/parameters/enable_sriov").value_or("N") == "Y";
  facts.viability_rule = sysfs::viability_rule(services_.tree);
  facts.no_iommu_mode =
      services_.tree.read("sys/module/vfio/parameters/enable_unsafe_noiommu_mode").value_or("N") == "Y";
  // What a daemon that never writes tells is what one that does would do.
  if (!services_.read_only) facts.read_only_sysfs = sysfs::read_only_sysfs(services_.tree).value_or("");
  return facts;
}

sysfs::Result<> Engine::select_members(Gathering& gathering) {
  auto inventory = current();
  if (!inventory) return std::unexpected(inventory.error());
  if (!gathering.recovers.empty()) {
    select_unfinished(gathering);
    return {};
  }
  for (auto& part : gathering.parts) {
    if (auto selected = select_members(part, **inventory); !selected) return selected;
  }
  if (const auto address = contested(gathering.parts)) {
    return sysfs::fail(ErrorCode::ConflictingItems,
                       "two items of the transaction would change " + sysfs::to_string(*address) + ": name it once");
  }
  foresee(gathering.parts);
  const auto tools = read_other_tools(services_.tree);
  for (const auto& error : tools.unreadable) {
    if (!gathering.dry_run) warn(std::unexpected(error));
  }
  for (auto* member : members_of(gathering.parts)) {
    const auto known = tools.by_device.find(member->device.address);
    if (known != tools.by_device.end()) member->other_tools = known->second;
  }
  return {};
}

sysfs::Result<> Engine::select_members(Part& part, const sysfs::Inventory& inventory) const {
  const auto& request = part.request;
  auto& facts = part.facts;
  if (is_id_change(request.kind)) {
    for (const auto& [address, device] : inventory.devices()) {
      if (!device.driver && request.id == sysfs::id_text(device)) facts.id_captures.push_back(address);
    }
    return {};
  }
  const auto* target = inventory.find(*request.address);
  if (target == nullptr) {
    return sysfs::fail(ErrorCode::DeviceNotFound, "there is no PCI device at " + sysfs::to_string(*request.address));
  }
  if (auto wrong = mismatch(request.expect, *target); !wrong.empty())
    return sysfs::fail(ErrorCode::IdentityMismatch, std::move(wrong));
  if (request.kind == ChangeKind::SetVfs) {
    select_functions(part, *target, inventory);
    return {};
  }
  const auto group = target->iommu_group ? inventory.group_members(*target->iommu_group) : std::vector<sysfs::Device>{};
  const auto affected = affected_devices(request, *target, group, originals_);
  for (const auto& address : affected) {
    if (const auto* device = inventory.find(address)) add_member(part, *device);
  }
  for (const auto& device : group) {
    if (std::ranges::find(affected, device.address) == affected.end()) facts.bystanders.push_back(device);
  }
  if (request.kind == ChangeKind::Bind && request.method == Method::NewId) {
    for (const auto& [address, device] : inventory.devices()) {
      const bool twin = std::ranges::any_of(facts.members, [&](const MemberFacts& member) {
        return sysfs::id_text(member.device) == sysfs::id_text(device);
      });
      const bool member = std::ranges::find(affected, address) != affected.end();
      if (twin && !member && !device.driver) facts.id_captures.push_back(address);
    }
  }
  return {};
}

// The PF and the VFs that it has.
void Engine::select_functions(Part& part, const sysfs::Device& physical, const sysfs::Inventory& inventory) const {
  part.facts.sriov = sysfs::read_sriov(services_.tree, physical);
  part.facts.function_modules =
      sysfs::modules_for(services_.modules, sysfs::function_modalias(services_.tree, physical));
  part.facts.autoprobe_taken = has_taken_autoprobe(last_change_of_functions(physical.address, says_of_autoprobe));
  add_member(part, physical);
  for (const auto& address : physical.virtfns) {
    const auto* function = inventory.find(address);
    if (function == nullptr) continue;
    add_member(part, *function);
    part.facts.members.back().to_vanish = destroys_functions(part.request, physical);
  }
}

// The claim that keeps the device from this request: its own, or that of a function which goes with its driver, a VF or
// one that the driver has made below it.
std::string Engine::other_claim(const ChangeRequest& request, const sysfs::Device& device) const {
  if (const auto claim = claim_of(device); !claim.empty() && claim != request.claim) return claim;
  for (const auto& address : device.virtfns) {
    const auto* function = services_.inventory.find(address);
    const auto claim = function != nullptr ? claim_of(*function) : std::string{};
    if (!claim.empty() && claim != request.claim) return claim;
  }
  for (const auto* function : services_.inventory.made_by(device)) {
    const auto claim = claim_of(*function);
    if (!claim.empty() && claim != request.claim) return claim;
  }
  return {};
}

void Engine::add_member(Part& part, const sysfs::Device& device) const {
  MemberFacts member;
  member.device = device;
  member.device.enable_count = sysfs::enable_count_of(services_.tree, device);
  member.sriov = sysfs::read_sriov(services_.tree, device);
  member.candidate_modules = sysfs::modules_for(services_.modules, device.modalias);
  if (const auto original = originals_.find(device.address); original != originals_.end()) {
    if (same_identity(original->second, device)) member.original = original->second;
  }
  if (const auto& earlier = part.request.earlier) {
    if (!member.original) member.original = original_for(device);
    member.original->driver = earlier->driver;
    member.original->driver_override = earlier->driver_override;
    member.original->vf_settings = earlier->vf_settings;
  }
  member.claimed_by = other_claim(part.request, device);
  if (const auto* drain = drains_.find(device)) member.drained = drain->reason;
  part.facts.members.push_back(std::move(member));
}

sysfs::Result<DriverFacts> Engine::look_up_driver(const sysfs::DriverName& name) const {
  DriverFacts driver;
  driver.registered = sysfs::driver_registered(services_.tree, name);
  driver.module = sysfs::module_of_driver(name);
  if (driver.registered) return driver;
  auto state = sysfs::module_state(services_.tree, services_.modules, driver.module);
  if (!state) return std::unexpected(state.error());
  driver.module_state = *state;
  if (*state == sysfs::ModuleState::Blacklisted) driver.bans = sysfs::module_bans(services_.tree, driver.module);
  return driver;
}

sysfs::Result<> Engine::look_up_drivers(Gathering& gathering) const {
  std::map<std::string, DriverFacts> known;
  for (auto& part : gathering.parts) {
    for (const auto& name : drivers_needed(part.request, part.facts.members)) {
      if (!known.contains(name.text())) {
        auto driver = look_up_driver(name);
        if (!driver) return std::unexpected(driver.error());
        known.emplace(name.text(), std::move(*driver));
      }
      part.facts.drivers.emplace(name.text(), known.at(name.text()));
    }
  }
  return {};
}

void Engine::gather_holders(const std::shared_ptr<Gathering>& gathering) {
  struct Question {
    MemberFacts* member;
    std::optional<sysfs::PciAddress> function;  // of the member; nullopt: the member itself
  };
  std::vector<sysfs::Device> devices;
  std::vector<Question> questions;
  for (auto* member : members_of(gathering->parts)) {
    if (sysfs::is_vfio_bound(member->device)) {
      devices.push_back(member->device);
      questions.push_back({member, std::nullopt});
    }
    for (auto& function : bound_functions(member->device)) {
      questions.push_back({member, function.address});
      devices.push_back(std::move(function));
    }
  }
  find_holders(devices, gathering->asker,
               [this, gathering, devices, questions](const std::vector<HoldersAnswer>& answers) {
                 for (std::size_t at = 0; at < questions.size(); ++at) {
                   auto& member = *questions[at].member;
                   const auto& holders = answers[at];
                   if (questions[at].function) {
                     if (auto open = open_function(services_.tree, devices[at], holders))
                       member.open_vfs.push_back(std::move(*open));
                     continue;
                   }
                   if (holders) member.holders = *holders;
                   if (!holders) member.holders_missing = holders.error().message;
                   // Too many processes to look through in time: the enable count still tells that somebody has the
                   // device open.
                   if (!holders && holders.error().code != ErrorCode::Overdue) gathering->error = holders.error();
                 }
                 gather_uses(gathering);
               });
}

void Engine::find_holders(const sysfs::Device& device, const Asker& asker, std::function<void(HoldersAnswer)> done) {
  find_holders(std::vector{device}, asker,
               [done = std::move(done)](const std::vector<HoldersAnswer>& answers) { done(answers.front()); });
}

void Engine::find_holders(const std::vector<sysfs::Device>& devices, const Asker& asker,
                          std::function<void(std::vector<HoldersAnswer>)> done) {
  if (devices.empty()) return done({});
  std::vector<vfio::HolderQuery> queries;
  for (const auto& device : devices) {
    queries.push_back({.address = device.address,
                       .group = device.iommu_group,
                       .vfio_device = device.vfio_device,
                       .device_open = sysfs::is_open(services_.tree, device)});
  }
  auto task = task_for(queries);
  task.asker = asker;
  const auto answer = [count = devices.size(), done = std::move(done)](const TaskResult& result) {
    if (!result) return done(std::vector<HoldersAnswer>(count, std::unexpected(result.error())));
    auto found = holders_from(*result);
    found.resize(count);
    done({found.begin(), found.end()});
  };
  services_.run_task(std::move(task), within_deadline("looking through all processes took too long", answer));
}

std::vector<sysfs::Device> Engine::bound_functions(const sysfs::Device& physical) const {
  std::vector<sysfs::Device> functions;
  for (const auto& address : physical.virtfns) {
    const auto* function = services_.inventory.find(address);
    if (function != nullptr && sysfs::is_vfio_bound(*function)) functions.push_back(*function);
  }
  return functions;
}

void Engine::find_open_functions(const sysfs::Device& device, const Asker& asker,
                                 std::function<void(std::vector<OpenFunction>)> done) {
  const auto functions = bound_functions(device);
  find_holders(functions, asker, [this, functions, done = std::move(done)](const std::vector<HoldersAnswer>& answers) {
    std::vector<OpenFunction> found;
    for (std::size_t at = 0; at < functions.size(); ++at) {
      if (auto open = open_function(services_.tree, functions[at], answers[at])) found.push_back(std::move(*open));
    }
    done(std::move(found));
  });
}

void Engine::gather_uses(const std::shared_ptr<Gathering>& gathering) {
  std::map<sysfs::PciAddress, MemberFacts*> asked;
  std::vector<sysfs::PciAddress> addresses;
  for (auto& part : gathering->parts) {
    if (!changes_binding(part.request)) continue;
    for (auto& member : part.facts.members) {
      if (!are_uses_asked(!gathering->recovers.empty(), part.request, member.device)) continue;
      asked.emplace(member.device.address, &member);
      addresses.push_back(member.device.address);
    }
  }
  if (asked.empty()) return gathered(gathering);
  find_usages(addresses, gathering->asker, gathering->requester.local_address,
              [this, gathering, asked](const std::map<sysfs::PciAddress, UsageAnswer>& answers) {
                for (const auto& [address, member] : asked) {
                  const auto& answer = answers.at(address);
                  const bool on_vfio = sysfs::is_vfio_bound(member->device);
                  if (answer) {
                    auto usage = on_vfio ? behind_vfio(*answer) : *answer;
                    member->uses = std::move(usage.uses);
                    member->rules = std::move(usage.rules);
                  }
                  member->uses_known = answer.has_value() || on_vfio;
                }
                gathered(gathering);
              });
}

void Engine::find_usage(const sysfs::PciAddress& address, const Requester& requester,
                        std::function<void(UsageAnswer)> done) {
  find_usages({address}, asker_of(requester), requester.local_address,
              [done = std::move(done)](const std::map<sysfs::PciAddress, UsageAnswer>& answers) {
                done(answers.begin()->second);
              });
}

void Engine::find_usages(const std::vector<sysfs::PciAddress>& addresses, const Asker& asker,
                         const std::optional<std::string>& local_address,
                         std::function<void(std::map<sysfs::PciAddress, UsageAnswer>)> done) {
  const auto make = [asker, local = local_address.value_or("")](const std::vector<sysfs::PciAddress>& several) {
    Task task{TaskKind::FindUsage, {local}, asker};
    for (const auto& address : several) task.arguments.push_back(sysfs::to_string(address));
    return task;
  };
  usage_.read_each(addresses, {make, unpack}, [done = std::move(done)](const GuardedReader::Answers& results) {
    std::map<sysfs::PciAddress, UsageAnswer> answers;
    for (const auto& [address, result] : results)
      answers.emplace(address, result ? usage_from(*result) : UsageAnswer(std::unexpected(result.error())));
    done(std::move(answers));
  });
}

void Engine::find_alternative_names(const Asker& asker,
                                    std::function<void(sysfs::Result<sysfs::AlternativeNames>)> done) {
  alternative_names_.read(std::nullopt, {TaskKind::ReadAlternativeNames, {}, asker},
                          [done = std::move(done)](const TaskResult& result) {
                            if (!result) return done(std::unexpected(result.error()));
                            done(alternative_names_from(*result));
                          });
}

// Facts are only good if nothing ended since they were read: another operation may have changed what they say.
void Engine::gathered(const std::shared_ptr<Gathering>& gathering) {
  if (gathering->error) return gathering->decide(Refusal{*gathering->error, {}, {}});
  if (gathering->ended_at_start != ended_count_ && ++gathering->round < max_gather_rounds) return gather(gathering);
  decide(gathering);
}

}  // namespace devbindd::handoff
