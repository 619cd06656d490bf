// SPDX-License-Identifier: Apache-2.0
#include "handoff/claim/owner_watch.hpp"

#include <algorithm>
#include <tuple>
#include <utility>

#include "handoff/claim/owner_process.hpp"

namespace devbindd::handoff {
namespace {

using sysfs::ErrorCode;
using Seconds = std::chrono::seconds;

constexpr std::chrono::milliseconds time_to_connect_again{60'000};
constexpr const char* connection_closed = "its connection has closed";

/// What a renewal changes of a claim.
auto term_of(Claim& claim) { return std::tie(claim.ttl, claim.expires_at, claim.expires_uptime); }

}  // namespace

OwnerWatch::OwnerWatch(const Engine::Services& services, ClaimTable& claims, const ClaimRecords& records,
                       ClaimRelease& release, WatchProcess watch_process)
    : services_(services),
      claims_(claims),
      records_(records),
      release_(release),
      watch_process_(std::move(watch_process)) {}

void OwnerWatch::watch(const std::string& id) {
  const auto& claim = claims_.at(id);
  watch_time(id);
  if (!claim.request.pid) return watch_connection(id);
  const auto ended = [this, id] { release_.begin(id, "its process has ended"); };
  auto watching = watch_process_(*claim.request.pid, ended);
  if (!watching) return ended();
  claims_.run_of(id).stop_watching = std::move(*watching);
  // Looked at after the watch has begun: from here on the number cannot become another process's.
  const auto start = process_start_of(services_.tree, *claim.request.pid);
  if (!start || *start != claim.process_start) return ended();
  watch_connection(id);
}

// --- its time

// One timer for each claim, however often it is renewed; another only when it is to end sooner than that one looks.
void OwnerWatch::watch_time(const std::string& id) {
  const auto left = time_left(claims_.at(id));
  if (!left || !services_.after) return;
  const auto looks_at = std::chrono::steady_clock::now() + *left;
  auto& timer = claims_.run_of(id).timer;
  if (timer && *timer <= looks_at) return;
  timer = looks_at;
  services_.after(std::max(*left, std::chrono::milliseconds(0)) + std::chrono::milliseconds(1),
                  [this, id, looks_at] { on_timer(id, looks_at); });
}

void OwnerWatch::on_timer(const std::string& id, std::chrono::steady_clock::time_point looks_at) {
  const auto* claim = claims_.find(id);
  if (claim == nullptr) return;
  if (auto& timer = claims_.run_of(id).timer; timer == looks_at) timer.reset();
  const auto left = time_left(*claim);
  if (claim->state != ClaimState::Active || !left) return;
  if (left->count() > 0) return watch_time(id);
  release_.begin(id, "its time has run out");
}

void OwnerWatch::renew(const std::string& id, const Requester& requester, std::optional<Seconds> ttl,
                       std::function<void(sysfs::Result<>)> done) {
  auto* claim = claims_.find(id);
  if (claim == nullptr) return done(sysfs::fail(ErrorCode::ClaimNotFound, "there is no claim " + id.substr(0, 64)));
  if (claim->state != ClaimState::Active) {
    return done(sysfs::fail(ErrorCode::ClaimNotActive,
                            "the claim is " + std::string(name_of(claim->state)) + ": only an active one is renewed"));
  }
  connect(id, requester);
  const auto before = std::tuple(claim->ttl, claim->expires_at, claim->expires_uptime);
  if (ttl) claim->ttl = ttl;
  if (claim->ttl) set_time_left(*claim, *claim->ttl);
  const auto renewed = std::tuple(claim->ttl, claim->expires_at, claim->expires_uptime);
  watch_time(id);
  records_.store(*claim, [this, id, before, renewed, done = std::move(done)](sysfs::Result<> stored) {
    auto* still = claims_.find(id);
    const bool active = still != nullptr && still->state == ClaimState::Active;
    if (stored && !active) return done(sysfs::fail(ErrorCode::ClaimNotActive, "the claim has ended just now"));
    if (stored || !active) return done(std::move(stored));
    // Renewed once more meanwhile, it lasts as long as that says.
    if (term_of(*still) == renewed) term_of(*still) = before;
    watch_time(id);
    done(std::move(stored));
  });
}

// --- a connection that it lasts as long as

void OwnerWatch::connect(const std::string& id, const Requester& requester) {
  const auto connection = requester.connection.lock();
  if (!claims_.at(id).request.while_connected || !connection) return;
  auto& connections = claims_.run_of(id).connections;
  if (!connections) connections.emplace();
  if (!connections->insert(connection).second) return;
  connection->on_close[id] = [this, id, closed = std::weak_ptr(connection)] { on_disconnect(id, closed.lock()); };
}

void OwnerWatch::on_disconnect(const std::string& id, const std::shared_ptr<Connection>& connection) {
  const auto* claim = claims_.find(id);
  if (claim == nullptr || !claims_.run_of(id).connections) return;
  auto& left = *claims_.run_of(id).connections;
  if (left.erase(connection) == 0 || !left.empty()) return;
  // One that is still being made is looked at when it is: the empty set tells that somebody was there.
  if (claim->state == ClaimState::Active) release_.begin(id, connection_closed);
}

void OwnerWatch::watch_connection(const std::string& id) {
  if (!claims_.at(id).request.while_connected) return;
  const auto& known = claims_.run_of(id).connections;
  if (!known) return await_connection(id);
  if (known->empty()) release_.begin(id, connection_closed);
}

// The daemon's own end has closed them all: their other ends get time to come back.
void OwnerWatch::await_connection(const std::string& id) {
  if (!services_.after) return;
  services_.after(time_to_connect_again, [this, id] {
    const auto* claim = claims_.find(id);
    if (claim == nullptr || claim->state != ClaimState::Active || claims_.run_of(id).connections) return;
    release_.begin(id, "nobody has connected again for it since devbindd was started anew");
  });
}

}  // namespace devbindd::handoff
