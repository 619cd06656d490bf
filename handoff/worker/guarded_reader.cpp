// SPDX-License-Identifier: Apache-2.0
#include "handoff/worker/guarded_reader.hpp"

#include <cerrno>

namespace devbindd::handoff {
namespace {

TaskResult checked(const std::optional<sysfs::PciAddress>& address, const TaskResult& result) {
  if (result || !address) return result;
  const auto error = result.error().errno_value;
  if (error != ENOENT && error != ENODEV) return result;
  return sysfs::fail(sysfs::ErrorCode::DeviceNotFound, "there is no PCI device at " + sysfs::to_string(*address), 0,
                     result.error().path);
}

}  // namespace

GuardedReader::GuardedReader(RunTask run_task, std::string what)
    : run_task_(std::move(run_task)),
      what_(std::move(what)),
      hanging_(std::make_shared<std::set<std::optional<sysfs::PciAddress>>>()) {}

std::string GuardedReader::busy_with(const std::optional<sysfs::PciAddress>& address) const {
  const auto whom = address ? " with " + sysfs::to_string(*address) : std::string{};
  return "the kernel is busy" + whom + ": reading " + what_ + " takes too long";
}

void GuardedReader::read(const std::optional<sysfs::PciAddress>& address, Task task,
                         std::function<void(TaskResult)> done) {
  const auto busy = busy_with(address);
  if (hanging_->contains(address)) return done(sysfs::fail(sysfs::ErrorCode::Overdue, busy));
  const auto callbacks = within_deadline(
      busy, [address, done = std::move(done)](const TaskResult& result) { done(checked(address, result)); });
  run_task_(std::move(task),
            {.on_overdue =
                 [address, late = callbacks.on_overdue, hanging = hanging_](int pid) {
                   hanging->insert(address);
                   late(pid);
                 },
             .on_result =
                 [address, answer = callbacks.on_result, hanging = hanging_](const TaskResult& result) {
                   hanging->erase(address);
                   answer(result);
                 }});
}

void GuardedReader::read_each(const std::vector<sysfs::PciAddress>& addresses, Batch batch,
                              std::function<void(Answers)> done) {
  const auto answers = std::make_shared<Answers>();
  std::vector<sysfs::PciAddress> asked;
  for (const auto& address : addresses) {
    if (hanging_->contains(address)) {
      answers->emplace(address, sysfs::fail(sysfs::ErrorCode::Overdue, busy_with(address)));
    } else {
      asked.push_back(address);
    }
  }
  if (asked.size() <= 1) return read_apart(asked, batch, answers, std::move(done));
  auto task = batch.make(asked);
  run_task_(std::move(task),
            within_deadline(busy_with(std::nullopt), [this, asked, batch = std::move(batch), answers,
                                                      done = std::move(done)](const TaskResult& result) {
              const auto parts = result ? batch.split(*result) : std::vector<std::vector<std::string>>{};
              // Where there is no worker for one task, there is none for many.
              const bool none_free = !result && result.error().code == sysfs::ErrorCode::TooBusy;
              if (parts.size() != asked.size() && !none_free) return read_apart(asked, batch, answers, done);
              for (std::size_t at = 0; at < asked.size(); ++at)
                answers->emplace(asked[at], none_free ? result : TaskResult(parts[at]));
              done(std::move(*answers));
            }));
}

void GuardedReader::read_apart(const std::vector<sysfs::PciAddress>& addresses, const Batch& batch,
                               std::shared_ptr<Answers> answers, std::function<void(Answers)> done) {
  if (addresses.empty()) return done(std::move(*answers));
  const auto waiting = std::make_shared<std::size_t>(addresses.size());
  for (const auto& address : addresses) {
    read(address, batch.make({address}),
         [address, split = batch.split, answers, waiting, done](const TaskResult& result) {
           const auto parts = result ? split(*result) : std::vector<std::vector<std::string>>{};
           if (!result) {
             answers->emplace(address, result);
           } else if (parts.size() == 1) {
             answers->emplace(address, parts.front());
           } else {
             answers->emplace(address, sysfs::fail(sysfs::ErrorCode::Kernel, "a worker's answer is malformed", EINVAL));
           }
           if (--*waiting == 0) done(std::move(*answers));
         });
  }
}

}  // namespace devbindd::handoff
