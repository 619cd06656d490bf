// SPDX-License-Identifier: Apache-2.0
#include "handoff/worker/override_reader.hpp"

#include "sysfs/device/device.hpp"

namespace devbindd::handoff {

OverrideReader::OverrideReader(RunTask run_task) : reader_(std::move(run_task), "its driver_override") {}

void OverrideReader::read(const std::vector<sysfs::PciAddress>& addresses, const Asker& asker,
                          std::function<void(OverrideAnswers)> done) {
  if (addresses.empty()) return done({});
  reader_.read_each({addresses}, asker, [done = std::move(done)](const BatchReader<ReadOverrides>::Answers& contents) {
    OverrideAnswers answers;
    for (const auto& [address, content] : contents) {
      answers.emplace(address, content ? OverrideAnswer(sysfs::override_from_attribute(*content))
                                       : std::unexpected(content.error()));
    }
    done(std::move(answers));
  });
}

}  // namespace devbindd::handoff
