// SPDX-License-Identifier: Apache-2.0
#include "handoff/plan/step_builder.hpp"

#include <algorithm>

namespace devbindd::handoff {
namespace {

using sysfs::Step;
using sysfs::StepKind;

Step override_step(const sysfs::PciAddress& address, const std::optional<std::string>& value) {
  return value ? Step{StepKind::SetOverride, address, *value} : Step{StepKind::ClearOverride, address, {}};
}

Step autoprobe_step(const sysfs::PciAddress& physical, bool on) {
  return {StepKind::SetAutoprobe, physical, on ? "1" : "0"};
}

Step numvfs_step(const sysfs::PciAddress& physical, std::size_t count) {
  return {StepKind::SetNumVfs, physical, std::to_string(count)};
}

// From a device without driver. The override steers the way: without it a VF with autoprobe off, or a device that
// another driver's override names, would refuse its own driver.
void add_binding(const sysfs::PciAddress& address, const std::string& driver,
                 const std::optional<std::string>& driver_override, std::vector<Step>& steps) {
  if (driver_override != driver) steps.push_back(override_step(address, driver));
  steps.push_back({StepKind::Bind, address, driver});
  if (driver_override != driver) steps.push_back(override_step(address, driver_override));
}

}  // namespace

StepBuilder::StepBuilder(const Facts& facts) {
  for (const auto& member : facts.members) {
    auto& state = states_[member.device.address];
    if (member.device.driver) state.driver = member.device.driver->text();
    state.driver_override = member.driver_override;
    state.vf_settings = member.vf_settings;
    auto& before = before_[member.device.address] = state;
    if (!member.sriov) continue;
    before.functions = FunctionsState{static_cast<unsigned>(member.device.virtfns.size()), member.sriov->autoprobe};
    if (facts.sriov) state.functions = before.functions;
  }
}

void StepBuilder::load_driver(const Facts& facts, const std::string& driver) {
  const auto found = facts.drivers.find(driver);
  if (found == facts.drivers.end() || found->second.registered) return;
  const Step step{StepKind::LoadModule, std::nullopt, found->second.module};
  const auto same = [&step](const PlannedStep& planned) { return planned.step == step; };
  if (std::ranges::none_of(plan_.steps, same)) append(step, {});
}

void StepBuilder::set_override(const sysfs::PciAddress& address, const std::optional<std::string>& value) {
  auto& state = states_[address];
  if (state.driver_override == value) return;
  append(override_step(address, value), {override_step(address, state.driver_override)});
  state.driver_override = value;
}

void StepBuilder::unbind(const sysfs::PciAddress& address) {
  auto& state = states_[address];
  if (!state.driver) return;
  std::vector<Step> undo;
  add_binding(address, *state.driver, state.driver_override, undo);
  append({StepKind::Unbind, address, *state.driver}, std::move(undo));
  state.driver.reset();
}

void StepBuilder::bind(const sysfs::PciAddress& address, const std::string& driver) {
  auto& state = states_[address];
  if (state.driver == driver) return;
  append({StepKind::Bind, address, driver}, {{StepKind::Unbind, address, driver}});
  state.driver = driver;
}

void StepBuilder::add_id(const std::string& argument) {
  append({StepKind::AddId, std::nullopt, argument}, {{StepKind::RemoveId, std::nullopt, argument}});
}

void StepBuilder::remove_id(const std::string& argument, bool undoable) {
  std::vector<Step> undo;
  if (undoable) undo.push_back({StepKind::AddId, std::nullopt, argument});
  append({StepKind::RemoveId, std::nullopt, argument}, std::move(undo));
}

// Not undone: what it was before cannot be read, and without VFs it is for nothing.
void StepBuilder::set_vf_token(const sysfs::PciAddress& physical, const std::string& token) {
  append({StepKind::SetVfToken, physical, token}, {});
}

void StepBuilder::probe(const sysfs::PciAddress& function) { append({StepKind::Probe, function, {}}, {}); }

void StepBuilder::set_vf_settings(const sysfs::PciAddress& function, const std::string& settings, bool may_fail) {
  auto& state = states_[function];
  state.settings_wanted = true;
  if (state.vf_settings == settings) return;
  std::vector<Step> undo;
  if (state.vf_settings) undo.push_back({StepKind::SetVfSettings, function, *state.vf_settings});
  append({StepKind::SetVfSettings, function, settings}, std::move(undo));
  plan_.steps.back().may_fail = may_fail;
  state.vf_settings = settings;
}

void StepBuilder::set_autoprobe(const sysfs::PciAddress& physical, bool on) {
  auto& state = *states_[physical].functions;
  if (state.autoprobe == on) return;
  append(autoprobe_step(physical, on), {autoprobe_step(physical, !on)});
  state.autoprobe = on;
}

// The VFs as they are now, made anew. The kernel's own choice would be another driver's brief hold of them.
std::vector<Step> StepBuilder::functions_back(const sysfs::PciAddress& physical) {
  const auto& functions = *states_[physical].functions;
  std::vector<Step> steps;
  if (functions.autoprobe) steps.push_back(autoprobe_step(physical, false));
  steps.push_back(numvfs_step(physical, functions.count));
  for (const auto& [address, state] : states_) {
    if (address == physical || !state.there) continue;
    // Before a driver takes it: it would go on with the MAC address that it finds.
    if (state.vf_settings) steps.push_back({StepKind::SetVfSettings, address, *state.vf_settings});
    // Written in any case: vfio-pci as the PF's driver sets its VFs' override.
    steps.push_back(override_step(address, state.driver ? state.driver : state.driver_override));
    if (!state.driver) continue;
    steps.push_back({StepKind::Bind, address, *state.driver});
    if (state.driver_override != state.driver) steps.push_back(override_step(address, state.driver_override));
  }
  if (functions.autoprobe) steps.push_back(autoprobe_step(physical, true));
  return steps;
}

void StepBuilder::destroy_functions(const sysfs::PciAddress& physical) {
  if (states_[physical].functions->count == 0) return;
  // To remove a VF that somebody has open would hang with a lock of the whole PCI core; to unbind it hangs alone.
  for (const auto& [address, state] : states_) {
    if (address != physical && state.driver && is_userspace_driver(*state.driver)) unbind(address);
  }
  append(numvfs_step(physical, 0), functions_back(physical));
  states_[physical].functions->count = 0;
  for (auto& [address, state] : states_) {
    if (address != physical) state = {.driver = {}, .driver_override = {}, .there = false, .remade = true};
  }
}

void StepBuilder::create_functions(const sysfs::PciAddress& physical, unsigned count,
                                   const std::vector<sysfs::PciAddress>& functions,
                                   const std::optional<std::string>& driver_override) {
  append(numvfs_step(physical, count), {numvfs_step(physical, 0)});
  states_[physical].functions->count = count;
  for (const auto& address : functions) {
    before_.try_emplace(address, State{.there = false});
    states_[address] = {.driver_override = driver_override, .there = true, .remade = true};
  }
}

void StepBuilder::bind_created(const sysfs::PciAddress& function, const std::optional<std::string>& driver,
                               const std::optional<std::string>& driver_override) {
  auto& state = states_[function];
  const auto set = [&](const std::optional<std::string>& value) {
    if (state.driver_override == value) return;
    append(override_step(function, value), {});
    state.driver_override = value;
  };
  if (driver) {
    set(driver);
    // Its own unbind comes before all go: one that somebody has opened by then holds up itself alone.
    const auto undo =
        is_userspace_driver(*driver) ? std::vector<Step>{{StepKind::Unbind, function, *driver}} : std::vector<Step>{};
    append({StepKind::Bind, function, *driver}, undo);
    state.driver = driver;
  }
  set(driver_override);
}

bool StepBuilder::bound_to(const sysfs::PciAddress& address, const std::string& driver) {
  return states_[address].driver == driver;
}

Plan StepBuilder::finish(std::vector<Evidence> evidence) {
  plan_.evidence = std::move(evidence);
  for (const auto& [address, after] : states_) {
    const auto& before = before_[address];
    plan_.transitions.push_back({.address = address,
                                 .driver_before = before.driver,
                                 .override_before = before.driver_override,
                                 .driver_after = after.driver,
                                 .override_after = after.driver_override,
                                 .there_before = before.there,
                                 .there_after = after.there,
                                 .remade = after.remade,
                                 .kernel_chooses = after.kernel_chooses,
                                 .vf_settings_before = before.vf_settings,
                                 .vf_settings_after = after.settings_wanted ? after.vf_settings : std::nullopt,
                                 .functions_before = before.functions,
                                 .functions_after = after.functions});
  }
  return std::move(plan_);
}

void StepBuilder::append(Step step, std::vector<Step> undo) {
  auto& planned = plan_.steps.emplace_back();
  planned.step = std::move(step);
  planned.undo = std::move(undo);
}

}  // namespace devbindd::handoff
