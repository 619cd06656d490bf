#include "handoff/guarded_reader.hpp"

#include <cerrno>

namespace devbindd::handoff {
namespace {

TaskResult checked(const sysfs::PciAddress& address, const TaskResult& result) {
  if (result) return result;
  const auto error = result.error().errno_value;
  if (error != ENOENT && error != ENODEV) return result;
  return sysfs::fail(sysfs::ErrorCode::DeviceNotFound, "there is no PCI device at " + sysfs::to_string(address), 0,
                     result.error().path);
}

}  // namespace

GuardedReader::GuardedReader(RunTask run_task, std::string what)
    : run_task_(std::move(run_task)),
      what_(std::move(what)),
      hanging_(std::make_shared<std::set<sysfs::PciAddress>>()) {}

void GuardedReader::read(const sysfs::PciAddress& address, Task task, std::function<void(TaskResult)> done) {
  const TaskResult busy =
      sysfs::fail(sysfs::ErrorCode::Overdue,
                  "the kernel is busy with " + sysfs::to_string(address) + ": reading " + what_ + " hangs");
  if (hanging_->contains(address)) return done(busy);
  const auto answered = std::make_shared<bool>(false);
  run_task_(std::move(task), {.on_overdue =
                                  [address, busy, done, answered, hanging = hanging_](int) {
                                    hanging->insert(address);
                                    *answered = true;
                                    done(busy);
                                  },
                              .on_result =
                                  [address, done, answered, hanging = hanging_](const TaskResult& result) {
                                    hanging->erase(address);
                                    if (!*answered) done(checked(address, result));
                                  }});
}

}  // namespace devbindd::handoff
