// SPDX-License-Identifier: Apache-2.0
#include "handoff/worker/attribute_reader.hpp"

namespace devbindd::handoff {

AttributeReader::AttributeReader(RunTask run_task) : reader_(std::move(run_task), "its attributes") {}

void AttributeReader::read(const sysfs::PciAddress& address, const std::vector<std::string>& names, const Asker& asker,
                           std::function<void(sysfs::Result<Attributes>)> done) {
  reader_.read(address, {.device = address, .names = names}, asker, std::move(done));
}

}  // namespace devbindd::handoff
