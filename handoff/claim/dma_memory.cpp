// SPDX-License-Identifier: Apache-2.0
#include "handoff/claim/dma_memory.hpp"

#include <algorithm>
#include <limits>

#include "handoff/operation/engine.hpp"

namespace devbindd::handoff {
namespace {

using sysfs::ErrorCode;

bool suffices(const DmaMemoryAnswer& answer) {
  const auto& soft = answer.process.limit.soft;
  return answer.process.may_exceed || !soft || *soft >= answer.needed;
}

bool may_be_raised(const Claim& claim, const DmaMemoryAnswer& answer) {
  const auto& uids = claim.grantees.uids;
  return claim.request.pid == answer.pid || std::ranges::find(uids, answer.process.uid) != uids.end();
}

}  // namespace

std::uint64_t needed_limit(const DmaMemoryQuestion& question, DescriptorWay way, const sysfs::LockedMemory& process) {
  constexpr auto most = std::numeric_limits<std::uint64_t>::max();
  if (question.bytes > most / std::max(1U, question.address_spaces)) return most;
  const auto mapped = question.bytes * question.address_spaces;
  const auto before = way == DescriptorWay::Group ? process.locked : 0;
  return mapped > most - before ? most : mapped + before;
}

void check_dma_memory(Engine& engine, const Claim& claim, const DmaMemoryQuestion& question, const Asker& asker,
                      std::function<void(sysfs::Result<DmaMemoryAnswer>)> done) {
  const auto pid = question.pid ? question.pid : claim.request.pid;
  if (!pid) return done(sysfs::fail(ErrorCode::OwnerNotFound, "the claim names no process: say which by \"pid\""));
  const auto way = question.way ? sysfs::Result<DescriptorWay>(*question.way) : best_way(engine, claim);
  if (!way) return done(std::unexpected(way.error()));
  auto process = sysfs::read_locked_memory(engine.services().tree, *pid);
  if (!process) return done(std::unexpected(process.error()));
  DmaMemoryAnswer answer{.pid = *pid, .way = *way, .process = std::move(*process)};
  answer.needed = needed_limit(question, *way, answer.process);
  answer.suffices = suffices(answer);
  if (answer.suffices || !question.raise) return done(std::move(answer));
  if (engine.services().read_only)
    return done(sysfs::fail(ErrorCode::ReadOnly, "devbindd runs with --read-only: it changes nothing"));
  if (!may_be_raised(claim, answer)) {
    return done(sysfs::fail(ErrorCode::LimitNotRaised, "process " + std::to_string(*pid) +
                                                           " is neither the claim's own nor one of its owners': user " +
                                                           std::to_string(answer.process.uid)));
  }
  const RaiseLockedMemory raise{.pid = *pid, .bytes = answer.needed};
  ask(engine.services().run_task, raise, asker, "raising the limit takes too long",
      [&engine, answer, done = std::move(done)](const ResultOf<RaiseLockedMemory>& result) mutable {
        if (!result) return done(std::unexpected(result.error()));
        // What the kernel says now, and not what was asked of it.
        auto now = sysfs::read_locked_memory(engine.services().tree, answer.pid);
        if (!now) return done(std::unexpected(now.error()));
        answer.process = std::move(*now);
        answer.suffices = suffices(answer);
        answer.raised = true;
        done(std::move(answer));
      });
}

}  // namespace devbindd::handoff
