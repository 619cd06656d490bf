// SPDX-License-Identifier: Apache-2.0
#include "handoff/worker/override_reader.hpp"

#include "sysfs/device/device.hpp"

namespace devbindd::handoff {
namespace {

// The task answers with an empty field for a device that has vanished.
OverrideAnswer answer_from(const TaskResult& result) {
  if (!result) return std::unexpected(result.error());
  return result->empty() ? std::nullopt : sysfs::override_from_attribute(result->front());
}

}  // namespace

OverrideReader::OverrideReader(RunTask run_task) : reader_(std::move(run_task), "its driver_override") {}

void OverrideReader::read(const std::vector<sysfs::PciAddress>& addresses, const Asker& asker,
                          std::function<void(OverrideAnswers)> done) {
  if (addresses.empty()) return done({});
  const auto make = [asker](const std::vector<sysfs::PciAddress>& asked) {
    Task task{TaskKind::ReadOverrides, {}, asker};
    for (const auto& address : asked) task.arguments.push_back(sysfs::to_string(address));
    return task;
  };
  const auto split = [](const std::vector<std::string>& fields) {
    std::vector<std::vector<std::string>> parts;
    for (const auto& field : fields) parts.push_back({field});
    return parts;
  };
  reader_.read_each(addresses, {make, split}, [done = std::move(done)](const GuardedReader::Answers& results) {
    OverrideAnswers answers;
    for (const auto& [address, result] : results) answers.emplace(address, answer_from(result));
    done(std::move(answers));
  });
}

}  // namespace devbindd::handoff
