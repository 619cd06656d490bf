// SPDX-License-Identifier: Apache-2.0
#include "handoff/doctor/doctor_checks.hpp"

#include <algorithm>
#include <utility>

#include "handoff/doctor/doctor_words.hpp"
#include "handoff/plan/forbidden_module.hpp"
#include "sysfs/kernel/fields.hpp"

namespace devbindd::handoff {
namespace {

using sysfs::joined;

using sysfs::ModuleState;

std::optional<ModuleState> state_of(const HostFacts& facts, std::string_view module) {
  const auto found = std::ranges::find(facts.modules, module, &ModuleFact::name);
  return found == facts.modules.end() ? std::nullopt : found->state;
}

bool is_here(std::optional<ModuleState> state) {
  return state == ModuleState::Loaded || state == ModuleState::BuiltIn || state == ModuleState::Loadable;
}

std::string state_text(std::optional<ModuleState> state) {
  if (!state) return "unknown";
  switch (*state) {
    case ModuleState::Loaded: return "loaded";
    case ModuleState::BuiltIn: return "built in";
    case ModuleState::Loadable: return "loadable";
    case ModuleState::Blacklisted: return "blacklisted";
    case ModuleState::Unknown: break;
  }
  return "missing";
}

bool container_is_dispensable(const HostFacts& facts, std::string_view module) {
  return module == "vfio_iommu_type1" && is_here(state_of(facts, "iommufd"));
}

Verdict verdict_on(const HostFacts& facts, std::string_view module) {
  const auto state = state_of(facts, module);
  if (is_here(state)) return Verdict::Pass;
  return !state || container_is_dispensable(facts, module) ? Verdict::Warn : Verdict::Fail;
}

std::vector<sysfs::ModuleBan> bans_of(const HostFacts& facts, std::string_view module) {
  return sysfs::module_bans(facts.modprobe_lines, facts.iommu.parameters, module);
}

std::string step_for_modules(const HostFacts& facts) {
  const auto forbidden = std::ranges::find(facts.modules, std::optional(ModuleState::Blacklisted), &ModuleFact::state);
  if (forbidden != facts.modules.end()) return step_against(forbidden->name, bans_of(facts, forbidden->name));
  return "Install the package with the kernel's modules, or a kernel with CONFIG_VFIO_PCI and CONFIG_VFIO_IOMMU_TYPE1.";
}

std::string text_of(const sysfs::ModprobeLine& line) {
  return line.command + " " + line.module + (line.arguments.empty() ? "" : " " + line.arguments) + " (" +
         place_of(line) + ")";
}

// lib/kstrtox.c, kstrtobool: the first character counts, of "on" and "off" the second.
bool is_on(const std::optional<std::string>& value) {
  if (!value) return true;  // a word without a value
  if (value->empty()) return false;
  const char first = value->front();
  if (first == 'o' || first == 'O') return value->size() > 1 && ((*value)[1] == 'n' || (*value)[1] == 'N');
  return first == '1' || first == 'y' || first == 'Y' || first == 't' || first == 'T';
}

struct Setting {
  std::optional<std::string> value;
  std::string place;
};

// Where a module that is not loaded yet gets a parameter from: the last of modprobe.d and the kernel command line.
std::optional<Setting> setting(const HostFacts& facts, const std::string& module, const std::string& parameter) {
  std::optional<Setting> last;
  for (const auto& line : facts.modprobe_lines) {
    if (line.command != "options" || line.module != module) continue;
    for (const auto& word : sysfs::parse_command_line(line.arguments)) {
      if (word.name == parameter) last = Setting{word.value, text_of(line)};
    }
  }
  for (const auto& word : facts.iommu.parameters) {
    if (word.name == module + "." + parameter)
      last = Setting{word.value, sysfs::to_string(word) + " (kernel command line)"};
  }
  return last;
}

struct Switch {
  std::string module;
  std::string parameter;
  std::optional<bool> now;  ///< nullopt: the module is not loaded
};

// What is on now; for a module that is not loaded, what will be on once it is.
std::vector<std::string> switches_on(const HostFacts& facts, const std::vector<Switch>& switches) {
  std::vector<std::string> found;
  for (const auto& each : switches) {
    if (each.now == true) found.push_back("/sys/module/" + each.module + "/parameters/" + each.parameter);
    if (each.now) continue;
    const auto set = setting(facts, each.module, each.parameter);
    if (set && is_on(set->value)) found.push_back(set->place);
  }
  return found;
}

}  // namespace

Check check_modules(const HostFacts& facts) {
  Check check = passed("vfio.modules", "VFIO modules", "");
  std::vector<std::string> states;
  for (const auto* module : {"vfio", "vfio_pci", "vfio_iommu_type1"}) {
    states.push_back(std::string(module) + " is " + state_text(state_of(facts, module)));
    check.verdict = std::max(check.verdict, verdict_on(facts, module));
  }
  check.detail = joined(states) + ".";
  if (check.verdict != Verdict::Pass) check.next_step = step_for_modules(facts);
  return check;
}

Check check_iommufd(const HostFacts& facts) {
  const auto state = state_of(facts, "iommufd");
  return passed("vfio.iommufd", "iommufd",
                is_here(state) ? "iommufd is " + state_text(state) + "."
                               : "Not here; VFIO's groups and containers do without it.");
}

// A line that is about several of them is told once.
Check check_blacklist(const HostFacts& facts) {
  const std::string id = "vfio.blacklist";
  const std::string title = "Modules that may not be loaded";
  std::vector<std::string> found;
  std::vector<std::string> steps;
  const auto add = [](std::vector<std::string>& list, const std::string& text) {
    if (std::ranges::find(list, text) == list.end()) list.push_back(text);
  };
  for (const auto* module : {"vfio", "vfio_pci", "vfio_pci_core", "vfio_iommu_type1", "iommufd"}) {
    const auto bans = bans_of(facts, module);
    for (const auto& ban : bans) add(found, sysfs::to_string(ban));
    if (!bans.empty()) add(steps, step_against(module, bans));
  }
  if (found.empty()) return passed(id, title, "None of VFIO's.");
  return {id, Verdict::Warn, title, "VFIO modules are forbidden: " + joined(found, "; ") + ".", joined(steps, " ")};
}

Check check_unsafe_interrupts(const HostFacts& facts) {
  const std::string id = "vfio.unsafe_interrupts";
  const std::string title = "Unsafe interrupts";
  const auto found = switches_on(facts, {{"vfio_iommu_type1", "allow_unsafe_interrupts", facts.unsafe_interrupts_type1},
                                         {"iommufd", "allow_unsafe_interrupts", facts.unsafe_interrupts_iommufd}});
  if (found.empty()) return passed(id, title, "Not allowed.");
  return {id, Verdict::Warn, title,
          "VFIO may use an IOMMU that does not remap interrupts: " + joined(found, "; ") + ".",
          "Turn it off: with interrupt remapping it is not needed, and without, a guest can attack the host."};
}

Check check_no_iommu(const HostFacts& facts) {
  const std::string id = "vfio.no_iommu";
  const std::string title = "No-IOMMU mode";
  const auto found = switches_on(facts, {{"vfio", "enable_unsafe_noiommu_mode", facts.no_iommu_mode}});
  if (found.empty()) return passed(id, title, "Off.");
  return {id, Verdict::Warn, title,
          "VFIO hands out devices without an IOMMU, which then reach all memory: " + joined(found, "; ") + ".",
          "Turn it off where there is an IOMMU; without one, use it for trusted programs only."};
}

Check check_boot_ids(const HostFacts& facts) {
  const std::string id = "vfio.ids";
  const std::string title = "IDs that vfio-pci takes at boot";
  const auto ids = setting(facts, "vfio_pci", "ids");
  if (!ids || ids->value.value_or("").empty()) return passed(id, title, "None.");
  return {id, Verdict::Warn, title,
          "vfio-pci takes every device of these IDs, also those that nobody asked for: " + ids->place + ".",
          "Remove the line and bind devices one by one instead."};
}

}  // namespace devbindd::handoff
