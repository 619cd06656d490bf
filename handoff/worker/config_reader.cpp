// SPDX-License-Identifier: Apache-2.0
#include "handoff/worker/config_reader.hpp"

namespace devbindd::handoff {

ConfigReader::ConfigReader(RunTask run_task) : reader_(std::move(run_task), "its configuration space") {}

void ConfigReader::read(const sysfs::PciAddress& address, const Asker& asker, std::function<void(Answer)> done) {
  reader_.read(address, {.device = address}, asker, std::move(done));
}

void ConfigReader::read_all(const std::vector<sysfs::PciAddress>& addresses, const Asker& asker,
                            const std::function<void(Answers)>& done) {
  if (addresses.empty()) return done({});
  const auto answers = std::make_shared<Answers>();
  const auto waiting = std::make_shared<std::size_t>(addresses.size());
  for (const auto& address : addresses) {
    read(address, asker, [address, answers, waiting, done](Answer answer) {
      answers->insert_or_assign(address, std::move(answer));
      if (--*waiting == 0) done(std::move(*answers));
    });
  }
}

}  // namespace devbindd::handoff
