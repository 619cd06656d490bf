// SPDX-License-Identifier: Apache-2.0
#include "sysfs/iommu/remapping_mode.hpp"

#include <algorithm>

#include "sysfs/kernel/fields.hpp"

namespace devbindd::sysfs {
namespace {

constexpr std::size_t first_processor_bytes = 1U << 14U;

// nullopt: the file does not tell flags.
std::optional<bool> processors_have_x2apic(const Tree& tree) {
  const auto text = tree.read("proc/cpuinfo", first_processor_bytes).value_or("");
  for (const auto line : lines_of(text)) {
    const auto words = words_of(line);
    if (!words.empty() && words.front() == "flags") return std::ranges::find(words, "x2apic") != words.end();
  }
  return std::nullopt;
}

bool overrules_opt_out(const IommuState& state) {
  return std::ranges::any_of(state.parameters, [](const BootParameter& parameter) {
    return parameter.name == "intremap" && has_option(parameter, "no_x2apic_optout");
  });
}

RemappingFinding intel_mode(const Tree& tree, const IommuState& state, const std::vector<IommuUnit>& units,
                            const FirmwareTables& tables) {
  const auto processors = processors_have_x2apic(tree);
  if (processors == false) return {RemappingMode::Xapic, "The processors show no x2apic (/proc/cpuinfo)."};
  const bool known = tables.dmar && *tables.dmar && (*tables.dmar)->header;
  if (known && (*tables.dmar)->x2apic_opt_out() && !overrules_opt_out(state))
    return {RemappingMode::Xapic, "The firmware opts out of x2apic (flags of DMAR)."};
  for (const auto& unit : units) {
    if (unit.intel && unit.intel->capabilities && !unit.intel->capabilities->extended_interrupt_mode)
      return {RemappingMode::Xapic, "The unit " + unit.name + " has no 32-bit destinations (EIM of its ecap)."};
  }
  const bool all_told = std::ranges::all_of(
      units, [](const IommuUnit& unit) { return unit.intel && unit.intel->capabilities.has_value(); });
  if (processors == true && known && all_told) {
    return {RemappingMode::X2apic,
            "It follows from the processors (/proc/cpuinfo), the flags of DMAR and the registers of every unit (EIM)."};
  }
  return {std::nullopt, "The kernel's log does not tell it, and what the kernel decides by cannot all be read."};
}

}  // namespace

RemappingFinding remapping_mode(const Tree& tree, const IommuState& state, const std::vector<IommuUnit>& units,
                                const FirmwareTables& tables, const FirmwareLog& log) {
  if (state.interrupt_remapping == Answer::No)
    return {RemappingMode::Off, "The interrupts of this host are not remapped (/sys/kernel/irq)."};
  if (log.remapping) return {log.remapping, "The kernel's log says so."};
  if (state.interrupt_remapping == Answer::Unknown)
    return {std::nullopt, "No interrupt of this host shows whether it is remapped."};
  const auto of_kind = [&units](IommuKind kind) {
    return !units.empty() && std::ranges::all_of(units, [kind](const IommuUnit& unit) { return unit.kind == kind; });
  };
  if (of_kind(IommuKind::Intel)) return intel_mode(tree, state, units, tables);
  if (of_kind(IommuKind::Amd)) {
    for (const auto& unit : units) {
      if (unit.amd && unit.amd->features && !unit.amd->features->x2apic)
        return {RemappingMode::Xapic, "The unit " + unit.name + " has no x2apic (XTSup of its EFR)."};
    }
    return {std::nullopt, "The kernel's log does not tell it."};
  }
  return {std::nullopt, "This platform has no such mode."};
}

}  // namespace devbindd::sysfs
