// SPDX-License-Identifier: Apache-2.0
// What a claim lasts as long as: its time, its owner's process, its owner's connection. Not here: how it ends
// (claim_release.hpp).
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "handoff/claim/claim_records.hpp"
#include "handoff/claim/claim_release.hpp"
#include "handoff/claim/claim_table.hpp"

namespace devbindd::handoff {

/// Calls `on_end` once, when the process has ended; gives a function that stops that. Errors: Kernel (ESRCH).
using WatchProcess =
    std::function<sysfs::Result<std::function<void()>>(std::int32_t pid, std::function<void()> on_end)>;

class OwnerWatch {
 public:
  OwnerWatch(const Engine::Services& services, ClaimTable& claims, const ClaimRecords& records, ClaimRelease& release,
             WatchProcess watch_process);

  /// From now on a claim that has just become active, also one that an earlier daemon had begun to make, ends with what
  /// it lasts as long as.
  void watch(const std::string& id);

  /// The claim, where it ends with its owner's connection, lasts as long as this one too.
  void connect(const std::string& id, const Requester& requester);

  /// As Claims::renew().
  void renew(const std::string& id, const Requester& requester, std::optional<std::chrono::seconds> ttl,
             std::function<void(sysfs::Result<>)> done);

 private:
  void watch_time(const std::string& id);
  void on_timer(const std::string& id, std::chrono::steady_clock::time_point looks_at);
  void watch_connection(const std::string& id);
  void await_connection(const std::string& id);
  void on_disconnect(const std::string& id, const std::shared_ptr<Connection>& connection);

  const Engine::Services& services_;
  ClaimTable& claims_;
  const ClaimRecords& records_;
  ClaimRelease& release_;
  WatchProcess watch_process_;
};

}  // namespace devbindd::handoff
