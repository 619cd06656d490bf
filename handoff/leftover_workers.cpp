#include "handoff/leftover_workers.hpp"

#include <algorithm>

#include "sysfs/fields.hpp"

namespace devbindd::handoff {
namespace {

// "PPid:\t1234" in /proc/PID/status.
std::optional<std::int32_t> parent_of(const sysfs::Tree& tree, const std::string& process) {
  const auto status = tree.read(process + "/status");
  if (!status) return std::nullopt;
  constexpr std::string_view key = "\nPPid:\t";
  const auto start = status->find(key);
  if (start == std::string::npos) return std::nullopt;
  const auto from = start + key.size();
  return sysfs::number_from<std::int32_t>(std::string_view(*status).substr(from, status->find('\n', from) - from));
}

// By its name, or in the instant before it has given itself that, by its command line (worker_pool.cpp).
bool is_worker(const sysfs::Tree& tree, const std::string& process) {
  if (tree.read(process + "/comm").value_or("") == worker_name) return true;
  constexpr std::string_view begin("/proc/self/exe\0--worker\0", 24);
  return tree.read_bytes(process + "/cmdline", 4096).value_or("").starts_with(begin);
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

std::vector<LeftoverWorker> leftover_workers(const sysfs::Tree& tree, std::int32_t own_pid) {
  std::vector<LeftoverWorker> found;
  const auto names = tree.list("proc");
  if (!names) return found;
  const auto own = tree.status("proc/" + std::to_string(own_pid));
  for (const auto& name : *names) {
    const auto pid = sysfs::number_from<std::int32_t>(name);
    const auto process = "proc/" + name;
    if (!pid || !is_worker(tree, process)) continue;
    const auto status = tree.status(process);
    const bool same_user = own && *own && status && *status && (*status)->uid == (*own)->uid;
    const auto parent = parent_of(tree, process);
    if (!same_user || !parent || *parent == own_pid) continue;
    found.push_back({*pid, label_of(tree, process)});
  }
  return found;
}

void WorkerLabel::set(std::string_view text) {
  for (std::size_t at = 0; at < room_.size(); ++at) room_[at] = at < text.size() ? text[at] : ' ';
}

}  // namespace devbindd::handoff
