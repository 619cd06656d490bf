// SPDX-License-Identifier: Apache-2.0
// Everything that a decision needs, found out in stages one after the other, several of them through workers: see
// stages_of(). Facts are only given out while they are good: nobody works on the devices, and nobody has since they
// were read. Not here: what follows from them (decision.hpp).
#pragma once

#include <expected>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "handoff/operation/decision.hpp"
#include "handoff/operation/device_view.hpp"
#include "handoff/operation/member_selection.hpp"
#include "handoff/worker/device_readers.hpp"

namespace devbindd::handoff {

/// What is asked, and for whom.
struct Inquiry {
  ChangeRequest request;
  Requester requester;
  Asker asker = {};
  bool dry_run = false;
  /// The unfinished operation of an earlier daemon that is to be brought to its end; nullptr for a request.
  std::shared_ptr<const Operation> recovers = {};
};

struct Findings {
  std::vector<Part> parts;
  LockKeys keys;  ///< what a change of them locks
};

/// How often facts are read anew because somebody has changed the devices meanwhile.
constexpr int max_gathering_rounds = 4;

class FactGatherer {
 public:
  using Done = std::function<void(std::expected<Findings, Refusal>)>;

  FactGatherer(const EngineServices& services, DeviceView& view, DeviceReaders& readers,
               const MemberSelection& selection, const DeviceLocks& locks)
      : services_(services), view_(view), readers_(readers), selection_(selection), locks_(locks) {}

  /// Calls `done` once, at once or when the workers have answered; nothing has changed between the last look and the
  /// call. Errors: those of MemberSelection::select(); IdentityMismatch for another serial number; OperationInProgress
  /// while somebody works on the devices; TooBusy when somebody has each time the facts were read, or when no worker is
  /// free; Kernel, of a read.
  void gather(Inquiry inquiry, Done done);

 private:
  struct Course;
  using CoursePtr = std::shared_ptr<Course>;
  using Next = std::function<void(std::expected<void, Refusal>)>;
  using Stage = void (FactGatherer::*)(const CoursePtr& course, Next next);

  static std::span<const Stage> stages_of(const Inquiry& inquiry);
  void begin_round(const CoursePtr& course);
  void run(const CoursePtr& course, std::size_t at);

  void select_members(const CoursePtr& course, Next next);
  void check_locks(const CoursePtr& course, Next next);
  void find_drivers(const CoursePtr& course, Next next);
  void check_serials(const CoursePtr& course, Next next);
  void check_serials_from(const CoursePtr& course, std::size_t at, Next next);
  void read_overrides(const CoursePtr& course, Next next);
  void read_vf_settings(const CoursePtr& course, Next next);
  void find_holders(const CoursePtr& course, Next next);
  void find_uses(const CoursePtr& course, Next next);
  void check_age(const CoursePtr& course, Next next);
  void look_at_claims(const CoursePtr& course, Next next);
  std::set<sysfs::PciAddress> with_vf_settings(const std::vector<Part>& parts) const;

  const EngineServices& services_;
  DeviceView& view_;
  DeviceReaders& readers_;
  const MemberSelection& selection_;
  const DeviceLocks& locks_;
};

}  // namespace devbindd::handoff
