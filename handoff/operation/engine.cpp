// SPDX-License-Identifier: Apache-2.0
#include "handoff/operation/engine.hpp"

#include "handoff/operation/permission_check.hpp"
#include "handoff/operation/refusal_audit.hpp"

namespace devbindd::handoff {
namespace {

using sysfs::ErrorCode;

constexpr const char* stopping = "devbindd is stopping";

}  // namespace

// What an earlier daemon left: its originals, so that a give-back still works, and its operations.
Engine::Engine(Services services)
    : services_(std::move(services)),
      damaged_(services_),
      cordons_(services_, damaged_),
      operations_(services_.boot_id),
      originals_(services_),
      waiters_(operations_),
      view_(services_, operations_, originals_, cordons_),
      readers_(services_.tree, services_.inventory, services_.run_task),
      selection_(services_, operations_, originals_, cordons_, claims_),
      gatherer_(services_, view_, readers_, selection_, locks_),
      runs_(services_, operations_, originals_, cordons_, locks_, view_, waiters_),
      recovery_(services_, operations_, gatherer_, runs_, waiters_) {
  operations_.adopt(services_.journal.remembered().operations, damaged_);
  originals_.adopt(services_.journal.remembered().originals, operations_.past());
}

void Engine::start_recovery() {
  originals_.forget_replaced(operations_);
  recovery_.start();
}

void Engine::submit(ChangeRequest request, Requester requester, bool dry_run, std::function<void(Decision)> decide) {
  if (!dry_run) decide = counted(request.kind, std::move(decide));
  if (!dry_run && services_.read_only)
    return decide(refusal_for({ErrorCode::ReadOnly, "devbindd runs with --read-only: it changes nothing"}));
  if (stopping_) return decide(refusal_for({ErrorCode::ShuttingDown, stopping}));
  if (const auto full = dry_run ? std::nullopt : runs_.refuse_if_full()) return decide(*full);
  if (!dry_run) decide = audited(services_, request, requester, std::move(decide));
  if (const auto denied = beyond_permission(request, requester)) return decide(*denied);
  const auto asker = request.ends_claim ? Asker{} : asker_of(requester);
  const Inquiry inquiry{std::move(request), std::move(requester), asker, dry_run};
  gatherer_.gather(inquiry, [this, inquiry, answer = std::move(decide)](std::expected<Findings, Refusal> findings) {
    if (!findings) return answer(std::move(findings.error()));
    if (auto denied = beyond_permission(findings->parts, inquiry.requester, services_.labels_of))
      return answer(std::move(*denied));
    auto plan = handoff::decide(inquiry.request, findings->parts, inquiry.dry_run);
    if (!plan) return answer(std::move(plan.error()));
    if (has_changed(inquiry.request))
      return answer(refusal_for({ErrorCode::PreconditionFailed,
                                 "the device has changed since the version that If-Match names: read it again"}));
    runs_.begin(
        {inquiry.request, inquiry.requester, std::move(findings->parts), std::move(findings->keys), std::move(*plan)},
        answer);
  });
}

std::function<void(Decision)> Engine::counted(ChangeKind kind, std::function<void(Decision)> decide) {
  return [this, kind, decide = std::move(decide)](Decision decision) {
    if (const auto* refusal = std::get_if<Refusal>(&decision)) ++refusals_[{kind, refusal->error.code}];
    decide(std::move(decision));
  };
}

std::uint64_t Engine::change_mark(const sysfs::PciAddress& address) const {
  return services_.inventory.revision_of(address) + operations_.changes_begun(address);
}

bool Engine::has_changed(const ChangeRequest& request) const {
  return request.unless_changed_since && request.address &&
         *request.unless_changed_since != change_mark(*request.address);
}

sysfs::Result<std::function<void()>> Engine::reserve(const sysfs::Device& device) {
  if (services_.read_only)
    return sysfs::fail(ErrorCode::ReadOnly, "devbindd runs with --read-only: it opens no device");
  if (stopping_) return sysfs::fail(ErrorCode::ShuttingDown, stopping);
  const auto keys = keys_of({device});
  if (const auto holder = locks_.holder_of(keys); !holder.empty()) return std::unexpected(in_the_way(holder).error);
  // A probe resets the device: facts that were gathered meanwhile are stale, as after an operation.
  struct Reserved {
    DeviceLocks::Lock lock;
    std::shared_ptr<void> permit;
  };
  const auto name = "probe of " + sysfs::to_string(device.address);
  const auto reserved = std::make_shared<Reserved>(
      locks_.take(keys, probe_holder), permit_of(services_, {.subject = name, .devices = {device.address}}));
  return [reserved] { *reserved = {}; };
}

}  // namespace devbindd::handoff
