#include "handoff/config_reader.hpp"

#include <cerrno>

namespace devbindd::handoff {
namespace {

ConfigReader::Answer busy(const sysfs::PciAddress& address) {
  return sysfs::fail(sysfs::ErrorCode::Overdue, "the kernel is busy with " + sysfs::to_string(address) +
                                                    ": reading its configuration space hangs");
}

ConfigReader::Answer answer_from(const sysfs::PciAddress& address, const TaskResult& result) {
  if (result) return config_from(*result);
  const auto error = result.error().errno_value;
  if (error != ENOENT && error != ENODEV) return std::unexpected(result.error());
  return sysfs::fail(sysfs::ErrorCode::DeviceNotFound, "there is no PCI device at " + sysfs::to_string(address), 0,
                     result.error().path);
}

}  // namespace

ConfigReader::ConfigReader(RunTask run_task)
    : run_task_(std::move(run_task)), hanging_(std::make_shared<std::set<sysfs::PciAddress>>()) {}

void ConfigReader::read(const sysfs::PciAddress& address, std::function<void(Answer)> done) {
  if (hanging_->contains(address)) return done(busy(address));
  const auto answered = std::make_shared<bool>(false);
  run_task_({TaskKind::ReadConfig, {sysfs::to_string(address)}},
            {.on_overdue =
                 [address, done, answered, hanging = hanging_](int) {
                   hanging->insert(address);
                   *answered = true;
                   done(busy(address));
                 },
             .on_result =
                 [address, done, answered, hanging = hanging_](const TaskResult& result) {
                   hanging->erase(address);
                   if (!*answered) done(answer_from(address, result));
                 }});
}

}  // namespace devbindd::handoff
