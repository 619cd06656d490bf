// SPDX-License-Identifier: Apache-2.0
// Claims on a kernel in memory, over several lives of the daemon.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <stdexcept>
#include <string>

#include "handoff/claim/claims.hpp"
#include "tests/handoff/stage.hpp"

namespace devbindd::tests {

/// Each life of the daemon is a Stage with its claims, on one kernel and one journal.
struct ClaimMachine {
  ClaimMachine() { restart(); }
  void restart(const std::string& boot_id = "boot-1") {
    claims.reset();
    watched.clear();
    stage.reset();
    stage = std::make_unique<Stage>(kernel, (directory.path() / "state.db").string(), boot_id);
    stage->ioctl.open_freely();
    claims = std::make_unique<handoff::Claims>(*stage->engine, hooks());
    claims->start();
  }

  handoff::Claims::Hooks hooks() {
    handoff::Claims::Hooks hooks;
    hooks.labels_of = labels_of;
    hooks.watch_process = [this](std::int32_t pid, std::function<void()> on_end) {
      watched[pid] = std::move(on_end);
      return sysfs::Result<std::function<void()>>([this, pid] { watched.erase(pid); });
    };
    hooks.publish = [this](const handoff::Claim& claim, const std::function<void(sysfs::Result<>)>& done) {
      if (publish_errno != 0) return done(sysfs::fail(sysfs::ErrorCode::Kernel, "no room", publish_errno));
      published.insert(claim.id);
      done({});
    };
    hooks.freed = [this](const handoff::Claim& claim) { freed.push_back(claim.id); };
    hooks.withdraw = [this](const handoff::Claim& claim, const std::function<void(sysfs::Result<>)>& done) {
      published.erase(claim.id);
      done({});
    };
    return hooks;
  }

  handoff::ClaimOutcome create(handoff::ClaimRequest request) {
    std::optional<handoff::ClaimOutcome> outcome;
    claims->create(std::move(request), requester(), false,
                   [&outcome](handoff::ClaimOutcome made) { outcome = std::move(made); });
    run_until(stage->io, [&outcome] { return outcome.has_value(); });
    return *outcome;
  }
  /// Root over the Unix socket, on the connection that connected() gave last.
  handoff::Requester requester() const {
    return {.transport = "unix", .uid = 0, .pid = 1, .local_address = {}, .connection = connection};
  }
  std::shared_ptr<handoff::Connection> connected() {
    const auto made = std::make_shared<handoff::Connection>();
    connection = made;
    return made;
  }
  /// As the server does when the other end has gone.
  void close(std::shared_ptr<handoff::Connection> gone) const {
    for (const auto& [claim, closed] : std::exchange(gone->on_close, {})) closed();
  }
  sysfs::Result<> renew(const std::string& id, std::optional<std::chrono::seconds> ttl = {}) {
    std::optional<sysfs::Result<>> answer;
    claims->renew(id, requester(), ttl, [&answer](const sysfs::Result<>& said) { answer = said; });
    run_until(stage->io, [&answer] { return answer.has_value(); });
    return *answer;
  }
  std::string made(handoff::ClaimRequest request) {
    auto outcome = create(std::move(request));
    if (const auto* refusal = std::get_if<handoff::Refusal>(&outcome)) throw std::runtime_error(refusal->error.message);
    return std::get<handoff::ClaimMade>(outcome).id;
  }
  handoff::Refusal refused(handoff::ClaimRequest request) {
    return std::get<handoff::Refusal>(create(std::move(request)));
  }

  std::optional<handoff::Refusal> release(const std::string& id, bool when_closed = false) {
    std::optional<std::optional<handoff::Refusal>> answer;
    claims->release(id, {.transport = "unix", .uid = 8, .pid = 1}, when_closed,
                    [&answer](std::optional<handoff::Refusal> said) { answer = std::move(said); });
    run_until(stage->io, [&answer] { return answer.has_value(); });
    return *answer;
  }
  sysfs::Result<> acknowledge(const std::string& id) {
    std::optional<sysfs::Result<>> answer;
    claims->acknowledge(id, requester(), [&answer](const sysfs::Result<>& said) { answer = said; });
    run_until(stage->io, [&answer] { return answer.has_value(); });
    return *answer;
  }
  /// Another card of the same kind comes to sit where `card` was, on VFIO too.
  void replace_card() const {
    kernel->remove_device(card);
    kernel->add_device(
        {.address = card, .device = 0x10d3, .group = 1, .driver = "vfio-pci", .driver_override = "vfio-pci"});
  }
  void wait_for(const std::string& id, handoff::ClaimState state) {
    run_until(stage->io, [&] { return claims->find(id)->state == state; });
  }
  handoff::ClaimState state(const std::string& id) const { return claims->find(id)->state; }

  TemporaryDirectory directory;
  std::shared_ptr<FakeKernel> kernel = usual_machine();
  std::map<std::int32_t, std::function<void()>> watched;
  std::set<std::string> published;
  std::vector<std::string> freed;
  int publish_errno = 0;
  handoff::LabelsOf labels_of = {};
  std::weak_ptr<handoff::Connection> connection;
  std::unique_ptr<Stage> stage;
  std::unique_ptr<handoff::Claims> claims;
};

inline handoff::ClaimRequest of(std::vector<std::string> devices) {
  handoff::ClaimRequest request;
  for (const auto& device : devices) request.devices.push_back(at(device));
  request.owner.uids = {1000};
  return request;
}

}  // namespace devbindd::tests
