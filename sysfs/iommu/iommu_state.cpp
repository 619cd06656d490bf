// SPDX-License-Identifier: Apache-2.0
#include "sysfs/iommu/iommu_state.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include "sysfs/iommu/iommu_group.hpp"
#include "sysfs/kernel/fields.hpp"
#include "sysfs/kernel/paths.hpp"

namespace devbindd::sysfs {
namespace {

constexpr std::size_t max_command_line = 1U << 16U;
constexpr std::size_t max_interrupts_text = 8U << 20U;  // a column for each processor

constexpr std::array<std::string_view, 16> relevant_names{
    "intel_iommu",       "amd_iommu",          "amd_iommu_intr",     "iommu",
    "pcie_acs_override", "intremap",           "nointremap",         "pci",
    "lockdown",          "modprobe.blacklist", "module_blacklist",   "hugepages",
    "hugepagesz",        "nox2apic",           "default_hugepagesz", "vfio_pci.ids"};
constexpr std::array<std::string_view, 7> relevant_prefixes{
    "iommu.", "vfio.", "vfio_pci.", "vfio_pci_core.", "vfio_iommu_type1.", "iommufd.", "arm_smmu"};

bool is_relevant(const BootParameter& parameter) {
  return std::ranges::find(relevant_names, parameter.name) != relevant_names.end() ||
         std::ranges::any_of(relevant_prefixes, [&](auto prefix) { return parameter.name.starts_with(prefix); });
}

std::vector<BootParameter> relevant_parameters(const Tree& tree) {
  std::vector<BootParameter> found;
  for (auto& parameter : parse_command_line(tree.read("proc/cmdline", max_command_line).value_or(""))) {
    if (is_relevant(parameter)) found.push_back(std::move(parameter));
  }
  return found;
}

struct ChipsSeen {
  bool remapped = false;
  bool plain = false;
};

// "IR-PCI-MSI", "IR-IO-APIC" with remapping; "ITS-PCI-MSI" is the Arm interrupt translation service. The names of other
// platforms say nothing. A plain one proves nothing next to a remapped one: an AMD IOMMU's own interrupt never is.
void look_at_chip(std::string_view name, ChipsSeen& seen) {
  if (name.starts_with("IR-") || name.starts_with("ITS-")) seen.remapped = true;
  if (name.starts_with("PCI-MSI") || name.starts_with("IO-APIC")) seen.plain = true;
}

// A word of it may be a chip's name: numbers, chip, hardware number and trigger, who uses it.
void look_at_text(std::string_view text, ChipsSeen& seen) {
  for (const auto word : words_of(text)) look_at_chip(word, seen);
}

Answer read_interrupt_remapping(const Tree& tree) {
  ChipsSeen seen;
  const auto numbers = tree.list("sys/kernel/irq");
  for (const auto& number : numbers.value_or(std::vector<std::string>{})) {
    look_at_chip(tree.read("sys/kernel/irq/" + number + "/chip_name").value_or(""), seen);
    if (seen.remapped) return Answer::Yes;
  }
  if (!numbers) look_at_text(tree.read("proc/interrupts", max_interrupts_text).value_or(""), seen);
  if (seen.remapped) return Answer::Yes;
  return seen.plain ? Answer::No : Answer::Unknown;
}

void read_groups(const Tree& tree, IommuState& state) {
  for (const auto number : list_iommu_groups(tree).value_or(std::vector<unsigned>{})) {
    const auto path = paths::iommu_group(number);
    if (tree.read(path + "/name").value_or("") == "vfio-noiommu") {
      ++state.no_iommu_groups;
      continue;
    }
    state.has_groups = true;
    if (const auto type = tree.read(path + "/type")) ++state.domain_types[*type];
  }
}

std::vector<std::string> read_firmware_tables(const Tree& tree) {
  std::vector<std::string> found;
  for (const std::string name : {"DMAR", "IVRS", "IORT", "VIOT"}) {
    const auto status = tree.status("sys/firmware/acpi/tables/" + name);
    if (status && *status) found.push_back(name);
  }
  return found;
}

bool has_table(const IommuState& state, std::string_view name) {
  return std::ranges::find(state.firmware_tables, name) != state.firmware_tables.end();
}

// The last of "on" and "off" counts, over all the parameters of that name.
std::optional<bool> switched(const IommuState& state, std::string_view name) {
  std::optional<bool> on;
  for (const auto& parameter : state.parameters) {
    if (parameter.name != name || !parameter.value) continue;
    std::string_view rest = *parameter.value;
    while (!rest.empty()) {
      const auto option = rest.substr(0, rest.find(','));
      rest.remove_prefix(std::min(option.size() + 1, rest.size()));
      if (option == "on" || option == "force") on = true;
      if (option == "off") on = false;
    }
  }
  return on;
}

struct Reason {
  OffCause cause = OffCause::None;
  std::string sentence;
};

Reason turned_off(const std::string& word) {
  return {OffCause::TurnedOff, "The kernel command line turns it off with " + word + "."};
}

Reason why_off_with_dmar(const IommuState& state) {
  const auto on = switched(state, "intel_iommu");
  if (on == false) return turned_off("intel_iommu=off");
  if (on == true) {
    return {OffCause::Kernel,
            "The firmware announces an IOMMU (table DMAR) and the kernel command line asks for it, but the kernel did "
            "not take it into use."};
  }
  return {
      OffCause::NotAskedFor,
      "The firmware announces an IOMMU (table DMAR), but this kernel uses it only when booted with intel_iommu=on."};
}

Reason why_off_with_ivrs(const IommuState& state) {
  if (switched(state, "amd_iommu") == false) return turned_off("amd_iommu=off");
  return {OffCause::Kernel, "The firmware announces an IOMMU (table IVRS), but the kernel did not take it into use."};
}

Reason why_off(const Tree& tree, const IommuState& state) {
  if (switched(state, "iommu") == false) return turned_off("iommu=off");
  if (has_table(state, "DMAR")) return why_off_with_dmar(state);
  if (has_table(state, "IVRS")) return why_off_with_ivrs(state);
  if (!state.firmware_tables.empty()) {
    return {OffCause::Kernel, "The firmware has a table " + state.firmware_tables.front() +
                                  ", but the kernel took no IOMMU into use: the table may name none, or the kernel "
                                  "lacks the driver."};
  }
  if (exists(tree, "sys/firmware/acpi/tables")) {
    return {OffCause::Firmware,
            "The firmware announces no IOMMU: it is off in the firmware's settings, or this machine has none."};
  }
  return {OffCause::Firmware, "The kernel found no IOMMU on this machine."};
}

}  // namespace

std::size_t IommuState::pass_through_groups() const {
  const auto found = domain_types.find("identity");
  return found == domain_types.end() ? 0 : found->second;
}

IommuState read_iommu_state(const Tree& tree) {
  IommuState state;
  const auto units = tree.list("sys/class/iommu");
  state.translates = units && !units->empty();
  read_groups(tree, state);
  state.interrupt_remapping = read_interrupt_remapping(tree);
  state.firmware_tables = read_firmware_tables(tree);
  state.parameters = relevant_parameters(tree);
  if (state.translates) return state;
  const bool unreadable = !units && units.error().errno_value != ENOENT;
  auto reason =
      unreadable ? Reason{OffCause::Unknown,
                          "The kernel's list of IOMMUs cannot be read: " + errno_text(units.error().errno_value) + "."}
                 : why_off(tree, state);
  state.off_cause = reason.cause;
  state.why_off = std::move(reason.sentence);
  return state;
}

}  // namespace devbindd::sysfs
