// SPDX-License-Identifier: Apache-2.0
// How a claim is kept: its time, process and connection are watched, and the next daemon takes it over. Not here: its
// nodes (claims_access.cpp).
#include <algorithm>
#include <tuple>
#include <utility>

#include "handoff/claim/claims_parts.hpp"
#include "handoff/journal/rows.hpp"
#include "sysfs/kernel/fields.hpp"
#include "vfio/nodes.hpp"

namespace devbindd::handoff {
namespace {

using sysfs::ErrorCode;
using Seconds = std::chrono::seconds;

constexpr std::chrono::milliseconds time_to_connect_again{60'000};
constexpr const char* connection_closed = "its connection has closed";

}  // namespace

// When the process began, in ticks since the boot: field 22 of /proc/PID/stat, behind a name that may hold anything.
// One that has ended and is waited for ("Z", field 3) is none any longer, and a thread is none: no pidfd ends with it.
std::optional<std::uint64_t> process_start_of(const sysfs::Tree& tree, std::int32_t pid) {
  const auto stat = tree.read("proc/" + std::to_string(pid) + "/stat");
  if (!stat) return std::nullopt;
  const auto name_end = stat->rfind(')');
  if (name_end == std::string::npos) return std::nullopt;
  const auto words = sysfs::words_of(std::string_view(*stat).substr(name_end + 1));
  const bool ended = !words.empty() && (words[0] == "Z" || words[0] == "X");
  return words.size() > 19 && !ended ? sysfs::number_from<std::uint64_t>(words[19]) : std::nullopt;
}

bool is_thread(const sysfs::Tree& tree, std::int32_t pid) {
  const auto status = tree.read("proc/" + std::to_string(pid) + "/status");
  if (!status) return false;
  for (const auto line : sysfs::lines_of(*status)) {
    if (line.starts_with("Tgid:")) return sysfs::number_from<std::int32_t>(sysfs::words_of(line).back()) != pid;
  }
  return false;
}

void Claims::watch(const std::string& id) {
  const auto& claim = claims_.at(id);
  watch_time(id);
  if (!claim.request.pid) return watch_connection(id);
  const auto ended = [this, id] { begin_release(id, "its process has ended"); };
  auto watching = hooks_.watch_process(*claim.request.pid, ended);
  if (!watching) return ended();
  runs_[id].stop_watching = std::move(*watching);
  // Looked at after the watch has begun: from here on the number cannot become another process's.
  const auto start = process_start_of(engine_.services().tree, *claim.request.pid);
  if (!start || *start != claim.process_start) return ended();
  watch_connection(id);
}

// One timer for each claim, however often it is renewed; another only when it is to end sooner than that one looks.
void Claims::watch_time(const std::string& id) {
  const auto left = time_left(claims_.at(id));
  if (!left || !engine_.services().after) return;
  const auto looks_at = std::chrono::steady_clock::now() + *left;
  auto& timer = runs_[id].timer;
  if (timer && *timer <= looks_at) return;
  timer = looks_at;
  engine_.services().after(std::max(*left, std::chrono::milliseconds(0)) + std::chrono::milliseconds(1),
                           [this, id, looks_at] {
                             const auto* still = find(id);
                             if (still == nullptr) return;
                             if (auto& set = runs_[id].timer; set == looks_at) set.reset();
                             if (still->state != ClaimState::Active || !time_left(*still)) return;
                             if (time_left(*still)->count() > 0) return watch_time(id);
                             begin_release(id, "its time has run out");
                           });
}

// --- a connection that it lasts as long as

void Claims::connect(const std::string& id, const Requester& requester) {
  const auto connection = requester.connection.lock();
  if (!claims_.at(id).request.while_connected || !connection) return;
  auto& connections = runs_[id].connections;
  if (!connections) connections.emplace();
  if (!connections->insert(connection).second) return;
  connection->on_close[id] = [this, id, closed = std::weak_ptr(connection)] { disconnected(id, closed.lock()); };
}

void Claims::disconnected(const std::string& id, const std::shared_ptr<Connection>& connection) {
  const auto run = runs_.find(id);
  if (run == runs_.end() || !run->second.connections) return;
  auto& left = *run->second.connections;
  if (left.erase(connection) == 0 || !left.empty()) return;
  // One that is still being made is looked at when it is: the empty set tells that somebody was there.
  if (const auto* claim = find(id); claim != nullptr && claim->state == ClaimState::Active)
    begin_release(id, connection_closed);
}

// None of its connections matters any more.
void Claims::forget_connections(const std::string& id) {
  const auto known = std::exchange(runs_[id].connections, std::nullopt);
  if (!known) return;
  for (const auto& connection : *known) connection->on_close.erase(id);
}

// Of a claim that has just become active, also one that an earlier daemon had begun to make.
void Claims::watch_connection(const std::string& id) {
  if (!claims_.at(id).request.while_connected) return;
  const auto& known = runs_[id].connections;
  if (!known) return await_connection(id);
  if (known->empty()) begin_release(id, connection_closed);
}

// The daemon's own end has closed them all: their other ends get time to come back.
void Claims::await_connection(const std::string& id) {
  if (!engine_.services().after) return;
  engine_.services().after(time_to_connect_again, [this, id] {
    const auto* claim = find(id);
    if (claim == nullptr || claim->state != ClaimState::Active || runs_[id].connections) return;
    begin_release(id, "nobody has connected again for it since devbindd was started anew");
  });
}

void Claims::renew(const std::string& id, const Requester& requester, std::optional<Seconds> ttl,
                   std::function<void(sysfs::Result<>)> done) {
  const auto found = claims_.find(id);
  if (found == claims_.end())
    return done(sysfs::fail(ErrorCode::ClaimNotFound, "there is no claim " + id.substr(0, 64)));
  auto& claim = found->second;
  if (claim.state != ClaimState::Active) {
    return done(sysfs::fail(ErrorCode::ClaimNotActive,
                            "the claim is " + std::string(name_of(claim.state)) + ": only an active one is renewed"));
  }
  connect(id, requester);
  const auto before = std::tuple(claim.ttl, claim.expires_at, claim.expires_uptime);
  if (ttl) claim.ttl = ttl;
  if (claim.ttl) set_time_left(claim, *claim.ttl);
  const auto renewed = std::tuple(claim.ttl, claim.expires_at, claim.expires_uptime);
  watch_time(id);
  store(claim, [this, id, before, renewed, done = std::move(done)](sysfs::Result<> stored) {
    const auto still = claims_.find(id);
    const bool active = still != claims_.end() && still->second.state == ClaimState::Active;
    if (stored && !active) return done(sysfs::fail(ErrorCode::ClaimNotActive, "the claim has ended just now"));
    if (stored || !active) return done(std::move(stored));
    // Renewed once more meanwhile, it lasts as long as that says.
    auto lasts = std::tie(still->second.ttl, still->second.expires_at, still->second.expires_uptime);
    if (lasts == renewed) lasts = before;
    watch_time(id);
    done(std::move(stored));
  });
}

// --- what an earlier daemon left

void Claims::start() {
  for (const auto& row : engine_.services().journal.remembered().claims) {
    auto claim = claim_of(row);
    if (!claim) {
      engine_.set_aside({.table = "claims", .key = row.id, .reason = "it is no document of a claim"});
      continue;
    }
    last_token_ = std::max(last_token_, claim->fencing_token);
    order_.push_back(claim->id);
    if (holds_devices(*claim)) holding_.insert(claim->id);
    // Its day is over: the journal keeps it like any other.
    if (row.state == "kept" && !is_key_known(*claim)) store(*claim);
    claims_.insert_or_assign(claim->id, std::move(*claim));
  }
  // Only now, since the end of one looks at the others.
  for (const auto& id : std::vector(order_)) {
    if (find(id) != nullptr) adopt(id);
  }
}

void Claims::adopt(const std::string& id) {
  const auto& claim = claims_.at(id);
  const bool other_boot = claim.boot_id != engine_.services().boot_id;
  const auto state = claim.state;
  if (!holds_devices(claim)) return;
  if (other_boot)
    return end(id, ClaimState::Lost, "the host was restarted while it was " + std::string(name_of(state)));
  switch (state) {
    case ClaimState::Preparing: return adopt_preparing(id);
    case ClaimState::Active:
      grant(id, [this, id](const sysfs::Result<>& granted) {
        warn(granted);
        if (find(id)->state != ClaimState::Active) return;
        if (hooks_.publish) warn(hooks_.publish(claims_.at(id)));
        watch(id);
      });
      return;
    case ClaimState::Releasing: {
      const auto& operation = claims_.at(id).release_operation;
      return engine_.when_ended(operation, [this, id] { release_when_closed(id); });
    }
    default: return;
  }
}

// Its operation, if it was begun, has been or will be brought to an end by the engine.
void Claims::adopt_preparing(const std::string& id) {
  auto& claim = claims_.at(id);
  if (claim.operation.empty()) claim.operation = engine_.operation_of_claim(id);
  // Without one the devices may have been on VFIO before; the owner may have got their nodes already.
  if (claim.operation.empty()) return begin_release(id, "it was not made: devbindd ended before it was active");
  engine_.when_ended(claim.operation, [this, id] { bound(id, [](const Outcome&) {}); });
}

}  // namespace devbindd::handoff
