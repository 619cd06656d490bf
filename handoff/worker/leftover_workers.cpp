// SPDX-License-Identifier: Apache-2.0
#include "handoff/worker/leftover_workers.hpp"

#include <algorithm>
#include <cerrno>

#include "sysfs/kernel/fields.hpp"

namespace devbindd::handoff {
namespace {

// "1234" of "PPid:\t1234" in /proc/PID/status.
std::string_view field_of(std::string_view status, std::string_view name) {
  const auto key = "\n" + std::string(name) + ":\t";
  const auto start = status.find(key);
  if (start == std::string_view::npos) return {};
  const auto value = status.substr(start + key.size());
  return value.substr(0, value.find('\n'));
}

// The last argument, without the blanks that fill its room.
std::string label_of(const sysfs::Tree& tree, const std::string& process) {
  auto line = tree.read_bytes(process + "/cmdline", 4096).value_or("");
  while (!line.empty() && (line.back() == '\0' || line.back() == ' ')) line.pop_back();
  const auto start = line.rfind('\0');
  auto label = start == std::string::npos ? std::string{} : line.substr(start + 1);
  return label == worker_label_room ? std::string{} : label;
}

}  // namespace

std::vector<LeftoverWorker> leftover_workers(const sysfs::Tree& tree, const std::vector<std::int32_t>& holders,
                                             std::int32_t own_pid) {
  std::vector<LeftoverWorker> found;
  for (const auto pid : holders) {
    const auto process = "proc/" + std::to_string(pid);
    const auto status = tree.read(process + "/status");
    if (!status && status.error().errno_value == ENOENT && pid != 0) continue;
    const auto text = status.value_or("");
    if (sysfs::number_from<std::int32_t>(field_of(text, "PPid")) == own_pid) continue;
    found.push_back({pid, label_of(tree, process), field_of(text, "State").starts_with('T')});
  }
  return found;
}

std::string label_of(const sysfs::Step& step) {
  const auto label = step.address ? sysfs::to_string(*step.address) : step.argument;
  return label.substr(0, worker_label_room.size());
}

void WorkerLabel::set(std::string_view text) {
  for (std::size_t at = 0; at < room_.size(); ++at) room_[at] = at < text.size() ? text[at] : ' ';
}

}  // namespace devbindd::handoff
