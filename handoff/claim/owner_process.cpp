// SPDX-License-Identifier: Apache-2.0
#include "handoff/claim/owner_process.hpp"

#include <string>

#include "sysfs/kernel/fields.hpp"

namespace devbindd::handoff {
namespace {

bool is_thread(const sysfs::Tree& tree, std::int32_t pid) {
  const auto status = tree.read("proc/" + std::to_string(pid) + "/status");
  if (!status) return false;
  for (const auto line : sysfs::lines_of(*status)) {
    if (line.starts_with("Tgid:")) return sysfs::number_from<std::int32_t>(sysfs::words_of(line).back()) != pid;
  }
  return false;
}

}  // namespace

// The name, the second field, may hold anything. A process that has ended and is waited for ("Z", field 3) is none any
// longer.
std::optional<std::uint64_t> process_start_of(const sysfs::Tree& tree, std::int32_t pid) {
  const auto stat = tree.read("proc/" + std::to_string(pid) + "/stat");
  if (!stat) return std::nullopt;
  const auto name_end = stat->rfind(')');
  if (name_end == std::string::npos) return std::nullopt;
  const auto words = sysfs::words_of(std::string_view(*stat).substr(name_end + 1));
  const bool ended = !words.empty() && (words[0] == "Z" || words[0] == "X");
  return words.size() > 19 && !ended ? sysfs::number_from<std::uint64_t>(words[19]) : std::nullopt;
}

sysfs::Result<std::uint64_t> start_of_owner(const sysfs::Tree& tree, std::int32_t pid) {
  const auto start = process_start_of(tree, pid);
  if (start && !is_thread(tree, pid)) return *start;
  return sysfs::fail(sysfs::ErrorCode::OwnerNotFound,
                     "there is no process " + std::to_string(pid) + (start ? ": it is a thread of another" : ""));
}

}  // namespace devbindd::handoff
