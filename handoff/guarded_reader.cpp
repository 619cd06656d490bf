#include "handoff/guarded_reader.hpp"

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

void GuardedReader::read(const std::optional<sysfs::PciAddress>& address, Task task,
                         std::function<void(TaskResult)> done) {
  const auto whom = address ? " with " + sysfs::to_string(*address) : std::string{};
  const auto busy = "the kernel is busy" + whom + ": reading " + what_ + " takes too long";
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

}  // namespace devbindd::handoff
