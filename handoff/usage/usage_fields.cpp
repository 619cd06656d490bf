// SPDX-License-Identifier: Apache-2.0
// The wire form of a usage: the number of rules, then name, outcome and reason of each; then the uses: kind, path
// length, path..., subject, number of processes, then pid, command and path of each.
#include <array>
#include <cerrno>

#include "handoff/usage/usage.hpp"
#include "sysfs/kernel/fields.hpp"

namespace devbindd::handoff {
namespace {

class FieldReader {
 public:
  explicit FieldReader(const std::vector<std::string>& fields) : fields_(fields) {}

  bool at_end() const { return at_ >= fields_.size(); }
  std::optional<std::string> text() {
    if (at_end()) return std::nullopt;
    return fields_[at_++];
  }
  std::optional<std::size_t> count() {
    const auto value = text();
    const auto number = value ? sysfs::number_from<std::size_t>(*value) : std::nullopt;
    // No count can be larger than what is left, so that a wrong one costs nothing.
    return number && *number <= fields_.size() - at_ ? number : std::nullopt;
  }

 private:
  const std::vector<std::string>& fields_;
  std::size_t at_ = 0;
};

std::optional<sysfs::Process> process_from(FieldReader& reader) {
  const auto pid = reader.text();
  auto command = reader.text();
  auto path = reader.text();
  const auto number = pid ? sysfs::number_from<std::int32_t>(*pid) : std::nullopt;
  if (!number || !command || !path) return std::nullopt;
  return sysfs::Process{*number, std::move(*command), std::move(*path)};
}

std::optional<sysfs::Use> use_from(FieldReader& reader) {
  const auto code = reader.text();
  const auto kind = code ? sysfs::use_kind_from(*code) : std::nullopt;
  const auto levels = reader.count();
  if (!kind || !levels) return std::nullopt;
  sysfs::Use use{.kind = *kind};
  for (std::size_t level = 0; level < *levels; ++level) use.path.push_back(reader.text().value_or(""));
  auto subject = reader.text();
  const auto processes = reader.count();
  if (!subject || !processes) return std::nullopt;
  use.subject = std::move(*subject);
  for (std::size_t at = 0; at < *processes; ++at) {
    auto process = process_from(reader);
    if (!process) return std::nullopt;
    use.processes.push_back(std::move(*process));
  }
  return use;
}

std::optional<RuleOutcome> rule_from(FieldReader& reader) {
  auto rule = reader.text();
  const auto outcome = reader.text();
  auto reason = reader.text();
  if (!rule || !outcome || !reason) return std::nullopt;
  for (const auto known : std::array{Outcome::Found, Outcome::Nothing, Outcome::NotVisible}) {
    if (*outcome == name_of(known)) return RuleOutcome{std::move(*rule), known, std::move(*reason)};
  }
  return std::nullopt;
}

std::optional<Usage> usage_in(FieldReader& reader) {
  Usage usage;
  const auto rules = reader.count();
  for (std::size_t at = 0; rules && at < *rules; ++at) {
    auto rule = rule_from(reader);
    if (!rule) return std::nullopt;
    usage.rules.push_back(std::move(*rule));
  }
  while (rules && !reader.at_end()) {
    auto use = use_from(reader);
    if (!use) return std::nullopt;
    usage.uses.push_back(std::move(*use));
  }
  return rules ? std::optional(std::move(usage)) : std::nullopt;
}

}  // namespace

std::vector<std::string> fields_of(const Usage& usage) {
  std::vector<std::string> fields = {std::to_string(usage.rules.size())};
  for (const auto& rule : usage.rules) {
    fields.push_back(rule.rule);
    fields.emplace_back(name_of(rule.outcome));
    fields.push_back(rule.reason);
  }
  for (const auto& use : usage.uses) {
    fields.emplace_back(sysfs::name_of(use.kind));
    fields.push_back(std::to_string(use.path.size()));
    fields.insert(fields.end(), use.path.begin(), use.path.end());
    fields.push_back(use.subject);
    fields.push_back(std::to_string(use.processes.size()));
    for (const auto& process : use.processes) {
      fields.push_back(std::to_string(process.pid));
      fields.push_back(process.command);
      fields.push_back(process.path);
    }
  }
  return fields;
}

sysfs::Result<Usage> usage_from(const std::vector<std::string>& fields) {
  FieldReader reader(fields);
  auto usage = usage_in(reader);
  if (!usage) return sysfs::fail(sysfs::ErrorCode::Kernel, "a worker's answer about the use is not one", EINVAL);
  return std::move(*usage);
}

}  // namespace devbindd::handoff
