// SPDX-License-Identifier: Apache-2.0
#include "handoff/operation/fact_gathering.hpp"

#include <algorithm>
#include <array>

#include "handoff/operation/host_facts.hpp"
#include "sysfs/device/serial_number.hpp"
#include "sysfs/kernel/paths.hpp"

namespace devbindd::handoff {
namespace {

using sysfs::ErrorCode;

std::unexpected<Refusal> refused(sysfs::Error error) { return std::unexpected(refusal_for(std::move(error))); }

// Whether its uses count: what would be lost with a driver of the host, and of any other device who has its memory
// mapped. The end of a claim and that of an operation from before do not wait for the latter; for VFs the look at their
// PF tells.
bool are_uses_asked(bool recovers, const ChangeRequest& request, const sysfs::Device& device) {
  if (device.driver && !sysfs::is_vfio_bound(device)) return true;
  return !recovers && request.kind != ChangeKind::SetVfs && (!sysfs::is_vfio_bound(device) || request.claim.empty());
}

// One look for holders: at the member itself, or at one of its VFs.
struct HolderQuestion {
  MemberFacts* member;
  sysfs::Device device;
};

std::vector<HolderQuestion> holder_questions(const sysfs::Inventory& inventory, std::vector<Part>& parts) {
  std::vector<HolderQuestion> questions;
  for (auto* member : members_of(parts)) {
    if (sysfs::is_vfio_bound(member->device)) questions.push_back({member, member->device});
    for (auto& function : bound_functions(inventory, member->device))
      questions.push_back({member, std::move(function)});
  }
  return questions;
}

void take_holders(const sysfs::Tree& tree, const HolderQuestion& question, const HoldersAnswer& holders) {
  auto& member = *question.member;
  if (question.device.address != member.device.address) {
    if (auto open = open_function(tree, question.device, holders)) member.open_vfs.push_back(std::move(*open));
    return;
  }
  if (holders) member.holders = *holders;
  if (!holders) member.holders_missing = holders.error().message;
}

void take_vf_settings(std::vector<Part>& parts, const sysfs::PciAddress& physical,
                      const ResultOf<ReadVfSettings>& result) {
  const auto settings = result.value_or(ReadVfSettings::Answer());
  for (auto* member : members_of(parts)) {
    const auto known = settings.find(member->device.address);
    if (known != settings.end()) member->vf_settings = sysfs::to_text(known->second);
    if (member->device.address != physical && member->device.physfn != physical) continue;
    if (!result) member->vf_settings_missing = result.error().message;
    if (result && settings.size() < member->device.virtfns.size() && member->device.address == physical)
      member->vf_settings_missing = "the kernel told those of " + std::to_string(settings.size()) + " only";
  }
}

void take_usage(MemberFacts& member, const UsageAnswer& answer) {
  const bool on_vfio = sysfs::is_vfio_bound(member.device);
  if (answer) {
    auto usage = on_vfio ? behind_vfio(*answer) : *answer;
    member.uses = std::move(usage.uses);
    member.rules = std::move(usage.rules);
  }
  member.uses_known = answer.has_value() || on_vfio;
}

}  // namespace

struct FactGatherer::Course {
  Inquiry inquiry;
  Done done;
  std::vector<Part> parts = {};  ///< of this round; not moved before its end, for the answers of workers point into it
  LockKeys keys = {};
  std::uint64_t begun_at = 0;  ///< of this round, in releases of locks
  int round = 1;
};

// The last ones do not wait: between them and the decision nothing happens.
std::span<const FactGatherer::Stage> FactGatherer::stages_of(const Inquiry& inquiry) {
  static constexpr std::array for_request{
      &FactGatherer::select_members,    //
      &FactGatherer::check_locks,       // before anything is asked of a worker
      &FactGatherer::find_drivers,      //
      &FactGatherer::check_serials,     //
      &FactGatherer::read_overrides,    //
      &FactGatherer::read_vf_settings,  //
      &FactGatherer::find_holders,      //
      &FactGatherer::find_uses,         //
      &FactGatherer::check_age,         // and all over again where somebody was at work meanwhile
      &FactGatherer::check_locks,       // somebody may have begun
      &FactGatherer::look_at_claims,    // one may have been made
  };
  static constexpr std::array for_recovery{
      &FactGatherer::select_members, &FactGatherer::check_locks,      &FactGatherer::find_drivers,
      &FactGatherer::read_overrides, &FactGatherer::read_vf_settings, &FactGatherer::find_holders,
      &FactGatherer::find_uses,      &FactGatherer::check_age,
  };
  if (inquiry.recovers != nullptr) return for_recovery;
  return for_request;
}

void FactGatherer::gather(Inquiry inquiry, Done done) {
  begin_round(std::make_shared<Course>(Course{.inquiry = std::move(inquiry), .done = std::move(done)}));
}

void FactGatherer::begin_round(const CoursePtr& course) {
  const auto facts = host_facts(services_);
  course->parts.clear();
  for (auto& request : parts_of(course->inquiry.request)) course->parts.push_back({std::move(request), facts});
  course->begun_at = locks_.releases();
  run(course, 0);
}

void FactGatherer::run(const CoursePtr& course, std::size_t at) {
  const auto stages = stages_of(course->inquiry);
  if (at == stages.size()) return course->done(Findings{std::move(course->parts), std::move(course->keys)});
  (this->*stages[at])(course, [this, course, at](const std::expected<void, Refusal>& answer) {
    if (!answer) return course->done(std::unexpected(answer.error()));
    run(course, at + 1);
  });
}

void FactGatherer::select_members(const CoursePtr& course, Next next) {
  auto inventory = view_.current();
  if (!inventory) return next(refused(inventory.error()));
  if (course->inquiry.recovers != nullptr) {
    selection_.select_unfinished(course->parts.front(), *course->inquiry.recovers);
  } else if (auto selected = selection_.select(course->parts, !course->inquiry.dry_run); !selected) {
    return next(refused(selected.error()));
  }
  course->keys = selection_.lock_keys(course->parts);
  next({});
}

void FactGatherer::check_locks(const CoursePtr& course, Next next) {
  const auto& recovers = course->inquiry.recovers;
  const auto holder = locks_.holder_of(course->keys);
  if (holder.empty() || (recovers != nullptr && holder == recovers->id)) return next({});
  next(std::unexpected(in_the_way(holder)));
}

void FactGatherer::find_drivers(const CoursePtr& course, Next next) {
  if (auto found = look_up_drivers(services_, course->parts); !found) return next(refused(found.error()));
  next({});
}

void FactGatherer::check_serials(const CoursePtr& course, Next next) { check_serials_from(course, 0, std::move(next)); }

// The serial number is in the configuration space, which a worker reads.
void FactGatherer::check_serials_from(const CoursePtr& course, std::size_t at, Next next) {
  const auto& parts = course->parts;
  while (at < parts.size() && !parts[at].request.expect.serial) ++at;
  if (at == parts.size()) return next({});
  readers_.configs().read(
      *parts[at].request.address, course->inquiry.asker, [this, course, at, next](const ConfigReader::Answer& config) {
        if (!config) return next(refused(config.error()));
        auto wrong = mismatch_of_serial(course->parts[at].request.expect, sysfs::device_serial_number(*config));
        if (wrong.empty()) return check_serials_from(course, at + 1, next);
        next(refused({ErrorCode::IdentityMismatch, std::move(wrong)}));
      });
}

void FactGatherer::read_overrides(const CoursePtr& course, Next next) {
  std::vector<sysfs::PciAddress> addresses;
  for (const auto* member : members_of(course->parts)) addresses.push_back(member->device.address);
  readers_.overrides().read(addresses, course->inquiry.asker, [course, next](const OverrideAnswers& answers) {
    std::optional<sysfs::Error> error;
    for (auto* member : members_of(course->parts)) {
      const auto& answer = answers.at(member->device.address);
      if (answer) {
        member->driver_override = *answer;
      } else if (answer.error().code == ErrorCode::Overdue) {
        member->override_known = false;
      } else {
        error = answer.error();
      }
    }
    if (error) return next(refused(*error));
    next({});
  });
}

// The PFs whose driver knows something of a VF that a part binds, or makes anew.
std::set<sysfs::PciAddress> FactGatherer::with_vf_settings(const std::vector<Part>& parts) const {
  std::set<sysfs::PciAddress> found;
  for (const auto& part : parts) {
    if (!changes_binding(part.request)) continue;
    for (const auto& member : part.facts.members) {
      const auto* physical = member.device.physfn ? services_.inventory.find(*member.device.physfn) : nullptr;
      const bool network =
          physical != nullptr && (sysfs::category(*physical) == "network" ||
                                  sysfs::exists(services_.tree, sysfs::paths::attribute(physical->address, "net")));
      if (network && physical->driver && !sysfs::is_vfio_bound(*physical)) found.insert(physical->address);
    }
  }
  return found;
}

void FactGatherer::read_vf_settings(const CoursePtr& course, Next next) {
  const auto asked = with_vf_settings(course->parts);
  if (asked.empty()) return next({});
  const auto waiting = std::make_shared<std::size_t>(asked.size());
  for (const auto& address : asked) {
    readers_.vf_settings().read(address, {.physical = address}, course->inquiry.asker,
                                [course, address, waiting, next](const ResultOf<ReadVfSettings>& result) {
                                  take_vf_settings(course->parts, address, result);
                                  if (--*waiting == 0) next({});
                                });
  }
}

// Where there are too many processes to look through in time, the enable count still tells that somebody has the device
// open.
void FactGatherer::find_holders(const CoursePtr& course, Next next) {
  const auto questions = holder_questions(services_.inventory, course->parts);
  std::vector<sysfs::Device> devices;
  for (const auto& question : questions) devices.push_back(question.device);
  readers_.find_holders(devices, course->inquiry.asker,
                        [course, next, questions, &tree = services_.tree](const std::vector<HoldersAnswer>& answers) {
                          for (std::size_t at = 0; at < questions.size(); ++at)
                            take_holders(tree, questions[at], answers[at]);
                          for (std::size_t at = 0; at < questions.size(); ++at) {
                            const bool of_member = questions[at].device.address == questions[at].member->device.address;
                            const bool fails =
                                of_member && !answers[at] && answers[at].error().code != ErrorCode::Overdue;
                            if (fails) return next(refused(answers[at].error()));
                          }
                          next({});
                        });
}

void FactGatherer::find_uses(const CoursePtr& course, Next next) {
  std::map<sysfs::PciAddress, MemberFacts*> asked;
  std::vector<sysfs::PciAddress> addresses;
  for (auto& part : course->parts) {
    if (!changes_binding(part.request)) continue;
    for (auto& member : part.facts.members) {
      if (!are_uses_asked(course->inquiry.recovers != nullptr, part.request, member.device)) continue;
      asked.emplace(member.device.address, &member);
      addresses.push_back(member.device.address);
    }
  }
  if (asked.empty()) return next({});
  readers_.find_usages(addresses, course->inquiry.asker, course->inquiry.requester.local_address,
                       [course, next, asked](const std::map<sysfs::PciAddress, UsageAnswer>& answers) {
                         for (const auto& [address, member] : asked) take_usage(*member, answers.at(address));
                         next({});
                       });
}

// Facts are only good if nobody has changed what they say since they were read.
void FactGatherer::check_age(const CoursePtr& course, Next next) {
  if (!locks_.released_since(course->begun_at, course->keys)) return next({});
  if (course->round++ < max_gathering_rounds) return begin_round(course);
  next(refused({ErrorCode::TooBusy,
                "other work on this device or its IOMMU group ended each time the facts about it were read"}));
}

void FactGatherer::look_at_claims(const CoursePtr& course, Next next) {
  selection_.look_at_claims(course->parts);
  next({});
}

}  // namespace devbindd::handoff
