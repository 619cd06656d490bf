// SPDX-License-Identifier: Apache-2.0
#include "daemon/status_line.hpp"

#include <string_view>

#include "sysfs/kernel/pci_address.hpp"

namespace devbindd::daemon {
namespace {

void append_count(std::string& line, std::size_t count, std::string_view one, std::string_view many) {
  if (count == 0) return;
  line += (line.empty() ? "" : ", ") + std::to_string(count) + " " + std::string(count == 1 ? one : many);
}

std::string named(const handoff::Operation& operation) {
  auto name = std::string(handoff::name_of(operation.request.kind));
  if (!operation.transitions.empty()) name += " of " + sysfs::to_string(operation.transitions.front().address);
  return name;
}

}  // namespace

std::string status_line(const WhatGoesOn& facts) {
  std::size_t blocked = 0;
  std::string first;
  for (const auto& [id, operation] : facts.operations) {
    if (operation->state != handoff::OperationState::Blocked) continue;
    if (++blocked == 1) first = named(*operation);
  }
  auto line = std::to_string(facts.devices) + " PCI devices";
  if (facts.read_only) line += ", read-only";
  append_count(line, facts.operations.size() - blocked, "operation running", "operations running");
  append_count(line, blocked, "operation blocked", "operations blocked");
  if (blocked > 0) line += " (" + first + (blocked > 1 ? " and others)" : ")");
  append_count(line, facts.claims, "claim", "claims");
  append_count(line, facts.quarantined, "claim quarantined", "claims quarantined");
  return line;
}

}  // namespace devbindd::daemon
