// SPDX-License-Identifier: Apache-2.0
#include "handoff/worker/attribute_reader.hpp"

namespace devbindd::handoff {
namespace {

Attributes attributes_from(const std::vector<std::string>& names, const std::vector<std::string>& fields) {
  Attributes attributes;
  for (std::size_t at = 0; at < names.size() && at < fields.size(); ++at) {
    const auto& field = fields[at];
    if (field.starts_with('=')) attributes.emplace(names[at], Attribute{field.substr(1), {}});
    if (field.starts_with('!')) attributes.emplace(names[at], Attribute{{}, field.substr(1)});
  }
  return attributes;
}

}  // namespace

AttributeReader::AttributeReader(RunTask run_task) : reader_(std::move(run_task), "its attributes") {}

void AttributeReader::read(const sysfs::PciAddress& address, const std::vector<std::string>& names, const Asker& asker,
                           std::function<void(sysfs::Result<Attributes>)> done) {
  Task task{TaskKind::ReadAttributes, {sysfs::to_string(address)}, asker};
  task.arguments.insert(task.arguments.end(), names.begin(), names.end());
  reader_.read(address, std::move(task), [names, done = std::move(done)](const TaskResult& result) {
    if (!result) return done(std::unexpected(result.error()));
    done(attributes_from(names, *result));
  });
}

}  // namespace devbindd::handoff
