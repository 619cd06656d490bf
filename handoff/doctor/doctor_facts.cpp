// SPDX-License-Identifier: Apache-2.0
// Gathering what the checks look at. Judging it: doctor.cpp.
#include "handoff/doctor/doctor.hpp"
#include "sysfs/iommu/group_memory.hpp"
#include "sysfs/kernel/fields.hpp"
#include "sysfs/use/read_only_mount.hpp"

#include <algorithm>
#include <array>
#include <functional>
#include <map>
#include <set>
#include <utility>

namespace devbindd::handoff {
namespace {

using sysfs::Device;
using sysfs::ModuleState;
using sysfs::Tree;

std::optional<std::uint64_t> number(std::string_view text) { return sysfs::number_from<std::uint64_t>(text); }

std::optional<bool> module_switch(const Tree& tree, const std::string& module, const std::string& name) {
  const auto value = tree.read("sys/module/" + module + "/parameters/" + name);
  if (!value) return std::nullopt;
  return *value == "Y" || *value == "1";
}

// "none [integrity] confidentiality" (security/lockdown/lockdown.c).
std::optional<std::string> read_lockdown(const Tree& tree) {
  const auto text = tree.read("sys/kernel/security/lockdown");
  if (!text) return std::nullopt;
  const auto open = text->find('[');
  const auto close = text->find(']');
  if (open == std::string::npos || close == std::string::npos || close < open) return std::nullopt;
  return text->substr(open + 1, close - open - 1);
}

// "MemTotal:       16384000 kB"; 0 where it is not said.
std::uint64_t read_memory(const Tree& tree) {
  const auto content = tree.read("proc/meminfo").value_or("");
  const auto words = sysfs::words_of(std::string_view(content).substr(0, content.find('\n')));
  if (words.size() < 2 || words[0] != "MemTotal:") return 0;
  return number(words[1]).value_or(0) * 1024;
}

// The pools below one directory: "hugepages-2048kB" and the like.
void read_pools(const Tree& tree, const std::string& directory, std::optional<unsigned> node,
                std::vector<HugepagePool>& pools) {
  constexpr std::string_view prefix = "hugepages-";
  const auto names = tree.list(directory).value_or(std::vector<std::string>{});
  for (const std::string_view name : names) {
    if (!name.starts_with(prefix) || !name.ends_with("kB")) continue;
    const auto size = number(name.substr(prefix.size(), name.size() - prefix.size() - 2));
    if (!size) continue;
    const auto path = directory + "/" + std::string(name);
    pools.push_back({*size, node, number(tree.read(path + "/nr_hugepages").value_or("")).value_or(0),
                     number(tree.read(path + "/free_hugepages").value_or("")).value_or(0)});
  }
}

std::vector<HugepagePool> read_hugepages(const Tree& tree) {
  const std::string nodes = "sys/devices/system/node";
  std::vector<HugepagePool> pools;
  const auto names = tree.list(nodes).value_or(std::vector<std::string>{});
  for (const auto& name : names) {
    const auto node = name.starts_with("node") ? number(std::string_view(name).substr(4)) : std::nullopt;
    if (node) read_pools(tree, nodes + "/" + name + "/hugepages", static_cast<unsigned>(*node), pools);
  }
  if (pools.empty()) read_pools(tree, "sys/kernel/mm/hugepages", std::nullopt, pools);
  std::ranges::stable_sort(pools, {}, [](const HugepagePool& pool) { return std::pair(pool.node, pool.size_kib); });
  return pools;
}

std::vector<ModuleFact> read_modules(const Tree& tree, const sysfs::ModuleIndex& index) {
  std::vector<ModuleFact> facts;
  for (const std::string name : {"vfio", "vfio_pci", "vfio_iommu_type1", "iommufd"}) {
    const auto state = sysfs::module_state(tree, index, name);
    facts.push_back({name, state ? std::optional(*state) : std::nullopt});
  }
  return facts;
}

}  // namespace

sysfs::Result<HostFacts> gather_host_facts(const Tree& tree, const sysfs::ModuleIndex& index) {
  auto units = sysfs::list_iommu_units(tree);
  if (!units) return std::unexpected(units.error());
  HostFacts facts;
  facts.kernel_release = tree.read("proc/sys/kernel/osrelease").value_or("");
  facts.lockdown = read_lockdown(tree);
  facts.read_only_sysfs = sysfs::read_only_sysfs(tree);
  facts.iommu = sysfs::read_iommu_state(tree);
  facts.units = std::move(*units);
  facts.firmware = sysfs::read_acpi_iommu_tables(tree);
  facts.refused_groups = sysfs::refused_groups(tree, sysfs::describe(facts.firmware));
  facts.modules = read_modules(tree, index);
  facts.unsafe_interrupts_type1 = module_switch(tree, "vfio_iommu_type1", "allow_unsafe_interrupts");
  facts.unsafe_interrupts_iommufd = module_switch(tree, "iommufd", "allow_unsafe_interrupts");
  facts.no_iommu_mode = module_switch(tree, "vfio", "enable_unsafe_noiommu_mode");
  facts.modprobe_lines = sysfs::read_modprobe_lines(tree);
  facts.uio_drivers = sysfs::userspace_drivers(tree);
  std::erase(facts.uio_drivers, "vfio-pci");
  facts.locked_memory = sysfs::locked_memory_limit(tree, "self");
  facts.memory_bytes = read_memory(tree);
  facts.hugepages = read_hugepages(tree);
  return facts;
}

}  // namespace devbindd::handoff
