// SPDX-License-Identifier: Apache-2.0
#include "handoff/usage/usage.hpp"

#include <algorithm>
#include <array>
#include <iterator>
#include <string_view>

#include "handoff/usage/usage_rules.hpp"
#include "sysfs/kernel/remembering_tree.hpp"
#include "sysfs/use/block_probe.hpp"

namespace devbindd::handoff {
namespace {

// What a rule has found so far, at a PF and at its VFs.
struct Finding {
  std::vector<sysfs::Use> uses = {};
  std::vector<std::string> gaps = {};

  void miss(std::string reason) {
    if (!reason.empty() && std::ranges::find(gaps, reason) == gaps.end()) gaps.push_back(std::move(reason));
  }
};

struct Search {
  UsageHost& host;
  std::vector<Finding> findings = std::vector<Finding>(usage_rules().size());
  std::vector<sysfs::OwnedNode> nodes = {};
  std::vector<std::size_t> rule_of_node = {};
  std::vector<sysfs::OwnedMemory> memories = {};
  std::vector<std::size_t> rule_of_memory = {};

  sysfs::Result<> look_at(const sysfs::Device& device, const std::vector<std::string>& prefix) {
    FunctionFacts function(host, device);
    for (std::size_t rule = 0; rule < findings.size(); ++rule) {
      auto look = usage_rules()[rule].look(function);
      if (!look) return std::unexpected(look.error());
      for (auto& use : look->uses) {
        use.path.insert(use.path.begin(), prefix.begin(), prefix.end());
        findings[rule].uses.push_back(std::move(use));
      }
      for (auto& node : look->nodes) {
        node.path.insert(node.path.begin(), prefix.begin(), prefix.end());
        nodes.push_back(std::move(node));
        rule_of_node.push_back(rule);
      }
      for (auto& memory : look->memories) {
        memory.path.insert(memory.path.begin(), prefix.begin(), prefix.end());
        memories.push_back(std::move(memory));
        rule_of_memory.push_back(rule);
      }
      findings[rule].miss(std::move(look->not_visible));
    }
    return {};
  }

  /// `first`: the place of its own first one among the uses of all.
  void add_open(std::vector<sysfs::Use>& uses, std::size_t first, const std::vector<std::size_t>& rule_of) {
    for (std::size_t at = 0; at < rule_of.size(); ++at) {
      auto& use = uses[first + at];
      if (!use.processes.empty()) findings[rule_of[at]].uses.push_back(std::move(use));
    }
  }

  void miss(const std::string& reason) {
    for (const auto rule : rule_of_node) findings[rule].miss(reason);
    for (const auto rule : rule_of_memory) findings[rule].miss(reason);
  }

  Usage usage() {
    Usage usage;
    for (std::size_t rule = 0; rule < findings.size(); ++rule) {
      auto& [uses, gaps] = findings[rule];
      RuleOutcome outcome{.rule = std::string(usage_rules()[rule].name)};
      if (!gaps.empty()) outcome.outcome = Outcome::NotVisible;
      if (!uses.empty()) outcome.outcome = Outcome::Found;
      for (const auto& gap : gaps) outcome.reason += (outcome.reason.empty() ? "" : "; ") + gap;
      usage.rules.push_back(std::move(outcome));
      std::ranges::move(uses, std::back_inserter(usage.uses));
    }
    return usage;
  }
};

// What several rules ask for, and what is the same for all functions.
bool is_read_once(std::string_view path) {
  constexpr std::array<std::string_view, 4> files = {"proc/iomem", "proc/consoles", "proc/2/stat",
                                                     "proc/2/task/2/children"};
  return path.ends_with("/resource") || std::ranges::find(files, path) != files.end();
}

// All nodes and all memory of all functions in one look through all processes.
sysfs::Result<> look_at_processes(const sysfs::Tree& tree, std::vector<Search>& searches) {
  std::vector<sysfs::OwnedNode> nodes;
  std::vector<sysfs::OwnedMemory> memories;
  for (const auto& search : searches) {
    nodes.insert(nodes.end(), search.nodes.begin(), search.nodes.end());
    memories.insert(memories.end(), search.memories.begin(), search.memories.end());
  }
  auto open = sysfs::open_uses(tree, nodes, memories);
  if (!open) return std::unexpected(open.error());
  std::size_t first_node = 0;
  std::size_t first_memory = 0;
  for (auto& search : searches) {
    search.add_open(open->uses, first_node, search.rule_of_node);
    search.add_open(open->memories, first_memory, search.rule_of_memory);
    first_node += search.nodes.size();
    first_memory += search.memories.size();
    if (open->hidden > 0)
      search.miss("descriptors or mappings of " + std::to_string(open->hidden) + " processes are hidden");
    if (open->unread > 0)
      search.miss(std::to_string(open->unread) + " processes were not looked at, since there are too many descriptors");
  }
  return {};
}

}  // namespace

Usage behind_vfio(Usage usage) {
  std::erase_if(usage.uses, [](const sysfs::Use& use) { return use.kind != sysfs::UseKind::Mapped; });
  std::erase_if(usage.rules, [](const RuleOutcome& outcome) { return outcome.rule != mappings_rule_name; });
  return usage;
}

std::string_view source_of_rule(std::string_view name) {
  if (name == vfio_rule_name)
    return "Whether it is open through VFIO: its enable count, and descriptors in /proc/PID/fd.";
  if (name == functions_rule_name) return "The virtfn links of sysfs, and who has a VF open through VFIO.";
  if (name == claims_rule_name) return "The claims of this daemon.";
  const auto found = std::ranges::find(usage_rules(), name, &Rule::name);
  return found == usage_rules().end() ? std::string_view{} : found->source;
}

UsageSeams real_usage_seams() {
  return {&sysfs::read_network_state, &sysfs::add_namespaces_of_descriptors, sysfs::real_block_seams(),
          &sysfs::add_what_runs};
}

sysfs::Result<std::vector<Usage>> find_uses(const sysfs::Tree& host_tree, const std::vector<sysfs::Device>& devices,
                                            const UsageSeams& seams,
                                            const std::optional<std::string>& client_local_address) {
  const sysfs::RememberingTree tree(host_tree, &is_read_once);
  UsageHost host(tree, seams, client_local_address);
  std::vector<Search> searches;
  for (const auto& device : devices) {
    auto& search = searches.emplace_back(host);
    if (auto done = search.look_at(device, {}); !done) return std::unexpected(done.error());
    for (const auto& address : device.virtfns) {
      const auto function = sysfs::read_device(tree, address);
      if (!function) continue;  // gone meanwhile
      if (auto done = search.look_at(*function, {sysfs::to_string(address)}); !done)
        return std::unexpected(done.error());
    }
  }
  if (auto done = look_at_processes(tree, searches); !done) return std::unexpected(done.error());
  std::vector<Usage> found;
  for (auto& search : searches) found.push_back(search.usage());
  return found;
}

sysfs::Result<Usage> find_uses(const sysfs::Tree& tree, const sysfs::Device& device, const UsageSeams& seams,
                               const std::optional<std::string>& client_local_address) {
  auto found = find_uses(tree, std::vector{device}, seams, client_local_address);
  if (!found) return std::unexpected(found.error());
  return std::move(found->front());
}

}  // namespace devbindd::handoff
