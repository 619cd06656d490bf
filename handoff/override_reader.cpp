#include "handoff/override_reader.hpp"

#include "sysfs/device.hpp"

namespace devbindd::handoff {
namespace {

// The task answers with an empty field for a device that has vanished.
OverrideAnswer answer_from(const TaskResult& result) {
  if (!result) return std::unexpected(result.error());
  return result->empty() ? std::nullopt : sysfs::override_from_attribute(result->front());
}

}  // namespace

OverrideReader::OverrideReader(RunTask run_task) : reader_(std::move(run_task), "its driver_override") {}

void OverrideReader::read(const std::vector<sysfs::PciAddress>& addresses, std::function<void(OverrideAnswers)> done) {
  if (addresses.empty()) return done({});
  const auto answers = std::make_shared<OverrideAnswers>();
  const auto waiting = std::make_shared<std::size_t>(addresses.size());
  for (const auto& address : addresses) {
    reader_.read(address, {TaskKind::ReadOverrides, {sysfs::to_string(address)}},
                 [address, answers, waiting, done](const TaskResult& result) {
                   answers->insert_or_assign(address, answer_from(result));
                   if (--*waiting == 0) done(std::move(*answers));
                 });
  }
}

}  // namespace devbindd::handoff
