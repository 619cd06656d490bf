// SPDX-License-Identifier: Apache-2.0
#include "sysfs/device/isolation.hpp"

#include <algorithm>
#include <array>
#include <set>

namespace devbindd::sysfs {
namespace {

constexpr std::uint16_t express_capability = 0x10;
constexpr std::uint16_t acs_capability = 0x0d;
constexpr std::size_t header_type_register = 0x0e;

// Device/Port Type of the PCI Express Capabilities register (PCI Express Base 6.0, 7.5.3.2).
constexpr unsigned root_port = 4;
constexpr unsigned upstream_port = 5;
constexpr unsigned downstream_port = 6;
constexpr unsigned bridge_to_pci = 7;
constexpr unsigned bridge_from_pci = 8;

// The services of the ACS Control register that the kernel asks for (7.7.11.3).
struct Service {
  unsigned bit;
  std::string_view name;
};
constexpr std::array<Service, 4> services = {
    {{0, "source_validation"}, {2, "request_redirect"}, {3, "completion_redirect"}, {4, "upstream_forwarding"}}};

struct Function {
  bool known = false;            ///< its capabilities could be read
  std::optional<unsigned> type;  ///< nullopt: conventional PCI
  bool multifunction = false;
  std::vector<std::string> missing;  ///< ACS services that are off
};

const CapabilityHeader* find(const std::optional<std::vector<CapabilityHeader>>& list, std::uint16_t id) {
  if (!list) return nullptr;
  const auto found = std::ranges::find(*list, id, &CapabilityHeader::id);
  return found == list->end() ? nullptr : &*found;
}

std::vector<std::string> services_off(const CapabilityHeader* acs) {
  const auto capable = acs == nullptr ? ~0U : RegisterReader(acs->bytes).read("capability", 4, 2).value_or(~0U);
  const auto control = acs == nullptr ? 0U : RegisterReader(acs->bytes).read("control", 6, 2).value_or(0);
  std::vector<std::string> off;
  for (const auto& service : services) {
    if ((capable & ~control) >> service.bit & 1U) off.emplace_back(service.name);
  }
  return off;
}

Function function_of(const ConfigSpace& config) {
  Function function;
  const auto lists = walk_capabilities(config);
  function.known = !missing_reason(config) && lists.standard.has_value();
  if (const auto type = RegisterReader(config.bytes).read("header_type", header_type_register, 1))
    function.multifunction = (*type & 0x80U) != 0;
  if (const auto* express = find(lists.standard, express_capability)) {
    if (const auto flags = RegisterReader(express->bytes).read("capabilities", 2, 2))
      function.type = bits_of(*flags, 4, 4);
  }
  function.missing = services_off(find(lists.extended, acs_capability));
  return function;
}

bool merges_by_alias(const Function& bridge) {
  return bridge.known && (!bridge.type || *bridge.type == bridge_to_pci || *bridge.type == bridge_from_pci);
}

// Ports forward between what is below them; an upstream port only towards the root.
bool merges_by_port(const Function& bridge) {
  const bool port = bridge.type == root_port || bridge.type == downstream_port ||
                    (bridge.type == upstream_port && bridge.multifunction);
  return bridge.known && port && !bridge.missing.empty();
}

struct Search {
  const std::vector<Device>& members;
  std::map<PciAddress, Function> functions;

  const Function* function(const PciAddress& address) const {
    const auto found = functions.find(address);
    return found == functions.end() ? nullptr : &found->second;
  }

  std::vector<PciAddress> members_below(const PciAddress& bridge) const {
    std::vector<PciAddress> below;
    for (const auto& member : members) {
      const auto path = upstream_of(member);
      if (member.address == bridge || std::ranges::find(path, bridge) != path.end()) below.push_back(member.address);
    }
    return below;
  }

  void bridges(std::vector<Merge>& merges) const {
    std::set<PciAddress> all;
    for (const auto& member : members) {
      for (const auto& bridge : upstream_of(member)) all.insert(bridge);
    }
    for (const auto& bridge : all) {
      const auto* seen = function(bridge);
      if (seen == nullptr) continue;
      const bool alias = merges_by_alias(*seen);
      if (!alias && !merges_by_port(*seen)) continue;
      auto below = members_below(bridge);
      if (below.size() < 2) continue;
      merges.push_back({alias ? MergeKind::RequesterAlias : MergeKind::BridgeAcs, bridge, std::move(below),
                        alias ? std::vector<std::string>{} : seen->missing});
    }
  }

  // Functions of one slot that lack ACS; behind a bridge to conventional PCI that is of no account.
  void slots(std::vector<Merge>& merges) const {
    std::map<std::string, Merge> by_slot;
    for (const auto& member : members) {
      const auto* seen = function(member.address);
      const bool aliased = std::ranges::any_of(merges, [&member](const Merge& merge) {
        return merge.kind == MergeKind::RequesterAlias &&
               std::ranges::find(merge.members, member.address) != merge.members.end();
      });
      if (aliased || member.physfn || seen == nullptr || !seen->known || seen->missing.empty()) continue;
      const auto text = to_string(member.address);
      auto& merge = by_slot[text.substr(0, text.rfind('.'))];
      merge.kind = MergeKind::FunctionAcs;
      merge.members.push_back(member.address);
      if (merge.missing.empty()) merge.missing = seen->missing;
    }
    for (auto& [slot, merge] : by_slot) {
      if (merge.members.size() > 1) merges.push_back(std::move(merge));
    }
  }
};

}  // namespace

std::string_view name_of(MergeKind kind) {
  switch (kind) {
    case MergeKind::RequesterAlias: return "requester_alias";
    case MergeKind::BridgeAcs: return "bridge_without_acs";
    case MergeKind::FunctionAcs: return "functions_without_acs";
    case MergeKind::Unexplained: return "unexplained";
  }
  return "unexplained";
}

std::string explanation_of(const Merge& merge) {
  std::string off;
  for (const auto& service : merge.missing) off += (off.empty() ? "" : ", ") + service;
  const auto bridge = merge.culprit ? to_string(*merge.culprit) : std::string{};
  switch (merge.kind) {
    case MergeKind::RequesterAlias:
      return "Everything behind " + bridge +
             " reaches the IOMMU under the bridge's own requester ID: it leads to conventional PCI.";
    case MergeKind::BridgeAcs:
      return "The port " + bridge + " does not keep what is below it apart: its access control services (ACS) lack " +
             off + ".";
    case MergeKind::FunctionAcs:
      return "The functions of this device may reach each other without passing the IOMMU: their access control "
             "services (ACS) lack " +
             off + ".";
    case MergeKind::Unexplained:
      return "The kernel put them together for a reason that its files do not show: a quirk, or configuration space "
             "that could not be read.";
  }
  return {};
}

std::vector<PciAddress> upstream_of(const Device& device) {
  std::vector<PciAddress> path;
  std::string_view rest = device.sysfs_path;
  while (!rest.empty()) {
    const auto end = std::min(rest.find('/'), rest.size());
    const auto address = parse_pci_address(rest.substr(0, end));
    if (address && *address != device.address) path.push_back(*address);
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return path;
}

std::vector<PciAddress> functions_involved(const std::vector<Device>& members) {
  std::set<PciAddress> involved;
  for (const auto& member : members) {
    involved.insert(member.address);
    for (const auto& bridge : upstream_of(member)) involved.insert(bridge);
  }
  return {involved.begin(), involved.end()};
}

std::vector<Merge> merges_in(const std::vector<Device>& members, const std::map<PciAddress, ConfigSpace>& configs) {
  std::vector<Merge> merges;
  if (members.size() < 2) return merges;
  Search search{members, {}};
  for (const auto& [address, config] : configs) search.functions.emplace(address, function_of(config));
  search.bridges(merges);
  search.slots(merges);
  std::set<PciAddress> explained;
  for (const auto& merge : merges) explained.insert(merge.members.begin(), merge.members.end());
  Merge rest;
  for (const auto& member : members) {
    if (!explained.contains(member.address)) rest.members.push_back(member.address);
  }
  if (!rest.members.empty()) merges.push_back(std::move(rest));
  return merges;
}

}  // namespace devbindd::sysfs
