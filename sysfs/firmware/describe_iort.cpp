// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "sysfs/firmware/describe_tables.hpp"

namespace devbindd::sysfs {
namespace {

constexpr std::uint32_t last_requester = 0xffff;
// Who is behind an RMR is told once for each of its ranges; a table of nothing but mappings could tell millions.
constexpr std::size_t most_of_memory = 1024;            // of one RMR
constexpr std::size_t most_told_of_memory = 1U << 16U;  // of all

bool is_smmu(const IortNode& node) { return node.kind == IortKind::Smmu || node.kind == IortKind::SmmuV3; }

// The requesters of a root complex from `first` to `last`; nullopt when none of them can be a PCI function.
std::optional<FirmwareScope> requesters(const IortNode& root, std::uint64_t first, std::uint64_t last,
                                        std::uint32_t stream) {
  if (first > last_requester) return std::nullopt;
  FirmwareScope scope;
  scope.kind = ScopeKind::Range;
  scope.segment = root.segment;
  scope.first = address_of_id(root.segment, static_cast<unsigned>(first));
  scope.last = address_of_id(root.segment, static_cast<unsigned>(std::min<std::uint64_t>(last, last_requester)));
  scope.stream = stream;
  scope.setting = root.ats;
  return scope;
}

FirmwareScope component(const IortNode& node, const IortMapping& mapping) {
  FirmwareScope scope;
  scope.kind = ScopeKind::NamespaceDevice;
  scope.name = node.name;
  scope.stream = mapping.output;
  return scope;
}

std::vector<FirmwareScope> scopes_behind(const Iort& iort, const IortNode& smmu) {
  std::vector<FirmwareScope> scopes;
  for (const auto& node : iort.nodes) {
    for (const auto& mapping : node.mappings) {
      if (mapping.target != smmu.offset) continue;
      if (node.kind == IortKind::NamedComponent) scopes.push_back(component(node, mapping));
      if (node.kind != IortKind::RootComplex) continue;
      const auto last = std::uint64_t{mapping.input} + mapping.count;
      if (auto scope = requesters(node, mapping.input, last, mapping.output)) scopes.push_back(std::move(*scope));
    }
  }
  return scopes;
}

FirmwareStructure described(const Iort& iort, const IortNode& node) {
  FirmwareStructure found;
  found.table = "IORT";
  found.kind = name_of(node.kind);
  found.is_unit = is_smmu(node);
  if (found.is_unit || node.kind == IortKind::Pmcg) found.base = node.base;
  if (found.is_unit || node.kind == IortKind::NamedComponent) found.flags = node.flags;
  if (node.kind == IortKind::SmmuV3 && (node.flags & 8U) != 0) found.proximity_domain = node.proximity_domain;
  if (node.kind == IortKind::RootComplex) found.segment = node.segment;
  found.name = found.is_unit ? std::string(model_name(node)) : node.name;
  if (found.is_unit) found.scopes = scopes_behind(iort, node);
  return found;
}

bool leads_to_smmu(const Iort& iort, const IortNode& node) {
  return std::ranges::any_of(node.mappings, [&iort](const IortMapping& mapping) {
    const auto* target = iort.node_at(mapping.target);
    return target != nullptr && is_smmu(*target);
  });
}

// Streams of an SMMU, as the requesters that have them: where the mapping of a root complex overlaps.
void add_streams(const Iort& iort, const IortMapping& streams, std::vector<FirmwareScope>& scopes) {
  const auto first = std::uint64_t{streams.output};
  const auto last = first + (streams.single ? 0 : streams.count);
  for (const auto& node : iort.nodes) {
    for (const auto& mapping : node.mappings) {
      const auto begin = std::max<std::uint64_t>(first, mapping.output);
      const auto end = std::min<std::uint64_t>(last, std::uint64_t{mapping.output} + mapping.count);
      if (mapping.target != streams.target || begin > end) continue;
      if (node.kind == IortKind::NamedComponent) scopes.push_back(component(node, mapping));
      if (node.kind != IortKind::RootComplex) continue;
      const auto input = std::uint64_t{mapping.input} + (begin - mapping.output);
      if (auto scope = requesters(node, input, input + (end - begin), static_cast<std::uint32_t>(begin)))
        scopes.push_back(std::move(*scope));
    }
  }
}

// `told`: how many entries all RMRs before it have.
void add_memory_of(const Iort& iort, const IortNode& node, std::size_t& told, FirmwareDescription& description) {
  std::vector<FirmwareScope> scopes;
  for (const auto& mapping : node.mappings) {
    if (scopes.size() < most_of_memory) add_streams(iort, mapping, scopes);
  }
  if (scopes.size() > most_of_memory) scopes.resize(most_of_memory);
  for (const auto& range : node.memory) {
    FirmwareMemory memory;
    memory.table = "IORT";
    memory.kind = "rmr";
    memory.start = range.base;
    memory.end = range.base + (range.length == 0 ? 0 : range.length - 1);
    memory.flags = node.flags;
    memory.movable = (node.flags & 1U) != 0;
    if (told + scopes.size() <= most_told_of_memory) memory.scopes = scopes;
    told += scopes.size();
    description.memory.push_back(std::move(memory));
  }
}

}  // namespace

void add_iort(const Iort& iort, FirmwareDescription& description) {
  std::size_t told = 0;
  for (const auto& node : iort.nodes) {
    if (node.kind == IortKind::ReservedMemory) {
      add_memory_of(iort, node, told, description);
    } else if (!leads_to_smmu(iort, node) || is_smmu(node)) {
      description.structures.push_back(described(iort, node));
    }
  }
}

}  // namespace devbindd::sysfs
