// SPDX-License-Identifier: Apache-2.0
#include "sysfs/config_space/capabilities.hpp"

#include <algorithm>
#include <set>

#include "sysfs/config_space/capability_table.hpp"

namespace devbindd::sysfs {
namespace {

constexpr std::size_t standard_header = 2;
constexpr std::size_t extended_header = 4;

CapabilityContext context_of(const ConfigSpace& config, const CapabilityLists& lists) {
  RegisterReader registers(config.bytes);
  CapabilityContext context;
  context.vendor = static_cast<std::uint16_t>(registers.read({}, 0, 2).value_or(0));
  context.device = static_cast<std::uint16_t>(registers.read({}, 2, 2).value_or(0));
  if (!lists.standard) return context;
  const auto express = std::ranges::find(*lists.standard, express_id, &CapabilityHeader::id);
  if (express == lists.standard->end()) return context;
  if (const auto flags = RegisterReader(express->bytes).read({}, 2, 2)) context.port_type = bits_of(*flags, 4, 4);
  return context;
}

// Nobody says how long an unknown capability is: it ends where the next one in memory begins.
std::size_t room_of(const CapabilityHeader& header, const std::set<std::size_t>& offsets) {
  const auto next = offsets.upper_bound(header.offset);
  return next == offsets.end() ? header.bytes.size() : std::min(header.bytes.size(), *next - header.offset);
}

Capability decode(const CapabilityHeader& header, const std::set<std::size_t>& offsets,
                  const CapabilityContext& context) {
  Capability capability{.header = header, .name = {}, .title = {}, .fields = std::nullopt, .truncated = {}};
  const auto* kind = capability_kind(header.list, header.id);
  if (kind != nullptr) {
    capability.name = kind->name;
    capability.title = kind->title;
  }
  if (kind == nullptr || kind->decode == nullptr) {
    capability.header.bytes = header.bytes.first(room_of(header, offsets));
    return capability;
  }
  RegisterReader registers(header.bytes);
  registers.claim(header.list == ListKind::Standard ? standard_header : extended_header);
  kind->decode(registers, context);
  capability.fields = registers.take_fields();
  capability.truncated = registers.truncated();
  capability.header.bytes = header.bytes.first(registers.extent());
  return capability;
}

std::optional<std::vector<Capability>> decode_all(const std::optional<std::vector<CapabilityHeader>>& headers,
                                                  const CapabilityContext& context) {
  if (!headers) return std::nullopt;
  std::set<std::size_t> offsets;
  for (const auto& header : *headers) offsets.insert(header.offset);
  std::vector<Capability> capabilities;
  for (const auto& header : *headers) capabilities.push_back(decode(header, offsets, context));
  return capabilities;
}

}  // namespace

CapabilityReport decode_capabilities(const ConfigSpace& config) {
  auto lists = walk_capabilities(config);
  const auto context = context_of(config, lists);
  return {decode_all(lists.standard, context), decode_all(lists.extended, context), std::move(lists.problems)};
}

}  // namespace devbindd::sysfs
