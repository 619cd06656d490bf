// SPDX-License-Identifier: Apache-2.0
// What is known of a claim as long as this daemon lives and is not kept: who waits for it, what is watched for it, how
// far its end has come. Passive. Not here: the claim (model/claim.hpp).
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "handoff/model/request.hpp"
#include "handoff/operation/engine.hpp"
#include "sysfs/kernel/pci_address.hpp"

namespace devbindd::handoff {

/// How long an ending claim waits for whatever it waits for before it looks again.
constexpr std::chrono::milliseconds look_again{1000};

/// What is wrong with the devices of a claim that ends, in a sentence each.
using DeviceFaults = std::map<sysfs::PciAddress, std::string>;

/// What a claim may have touched: its devices.
Permit permit_for(const Claim& claim);

/// All of them, or "".
std::string text_of(const DeviceFaults& faults);

struct ClaimRun {
  std::shared_ptr<void> permit = {};                  ///< for its devices, as long as it holds them
  std::vector<std::function<void()>> when_made = {};  ///< of those who asked for the same again
  std::vector<std::function<void(std::optional<Refusal>)>> when_released = {};  ///< of those who asked for its end
  std::function<void()> stop_watching = {};                                     ///< its process; null: none is watched
  std::optional<std::chrono::steady_clock::time_point> timer = {};              ///< when its time is looked at next
  /// Of a claim that ends with the last one; nullopt: none has come yet.
  std::optional<std::set<std::shared_ptr<Connection>>> connections = {};
  unsigned failures = 0;      ///< of giving it back
  unsigned late_reads = 0;    ///< of its devices, while it ends
  bool nodes_closed = false;  ///< to its owners, while it ends
  DeviceFaults faults = {};   ///< while it ends
};

/// Its process matters no longer.
void stop_watching_process(ClaimRun& run);

/// None of the connections of this claim matters any longer.
void forget_connections(ClaimRun& run, const std::string& claim);

}  // namespace devbindd::handoff
