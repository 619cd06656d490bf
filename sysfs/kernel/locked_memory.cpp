// SPDX-License-Identifier: Apache-2.0
#include "sysfs/kernel/locked_memory.hpp"

#include <linux/capability.h>
#include <sys/resource.h>

#include <algorithm>
#include <cerrno>
#include <limits>

#include "sysfs/kernel/fields.hpp"

namespace devbindd::sysfs {
namespace {

constexpr std::size_t max_proc_file = 65536;

std::optional<LockedMemoryLimit> limit_from(std::string_view content) {
  constexpr std::string_view head = "Max locked memory";
  for (const auto line : lines_of(content)) {
    if (!line.starts_with(head)) continue;
    const auto words = words_of(line.substr(head.size()));
    if (words.size() < 2) return std::nullopt;
    const auto limit = [](std::string_view word) { return number_from<std::uint64_t>(word); };
    const auto is_limit = [&limit](std::string_view word) { return word == "unlimited" || limit(word).has_value(); };
    if (!is_limit(words[0]) || !is_limit(words[1])) return std::nullopt;
    return LockedMemoryLimit{limit(words[0]), limit(words[1])};
  }
  return std::nullopt;
}

// The first word behind "NAME:" of a status file.
template <class Number>
std::optional<Number> status_number(std::string_view content, std::string_view name, int base = 10) {
  for (const auto line : lines_of(content)) {
    const auto words = words_of(line);
    if (words.size() > 1 && words[0] == name) return number_from<Number>(words[1], base);
  }
  return std::nullopt;
}

std::unexpected<Error> no_process(std::int32_t pid, const std::string& what) {
  return fail(ErrorCode::OwnerNotFound, "process " + std::to_string(pid) + ": " + what);
}

}  // namespace

std::optional<LockedMemoryLimit> locked_memory_limit(const Tree& tree, const std::string& who) {
  const auto content = tree.read("proc/" + who + "/limits", max_proc_file);
  return content ? limit_from(*content) : std::nullopt;
}

std::optional<LockedMemory> locked_memory_from(std::string_view status, std::string_view limits) {
  const auto limit = limit_from(limits);
  const auto uid = status_number<unsigned>(status, "Uid:");
  const auto capabilities = status_number<std::uint64_t>(status, "CapEff:", 16);
  if (!limit || !uid || !capabilities) return std::nullopt;
  constexpr std::uint64_t most = std::numeric_limits<std::uint64_t>::max() / 1024;
  const auto locked = status_number<std::uint64_t>(status, "VmLck:").value_or(0);  // none of a kernel thread
  return LockedMemory{.limit = *limit,
                      .uid = *uid,
                      .locked = std::min(locked, most) * 1024,
                      .may_exceed = ((*capabilities >> CAP_IPC_LOCK) & 1U) != 0};
}

Result<LockedMemory> read_locked_memory(const Tree& tree, std::int32_t pid) {
  const auto folder = "proc/" + std::to_string(pid);
  const auto status = tree.read(folder + "/status", max_proc_file);
  if (!status) return no_process(pid, status.error().message);
  auto memory = locked_memory_from(*status, tree.read(folder + "/limits", max_proc_file).value_or(""));
  if (!memory) return no_process(pid, "its status or its limits cannot be read");
  memory->command = tree.read(folder + "/comm").value_or("");
  return std::move(*memory);
}

Result<> raise_locked_memory(std::int32_t pid, std::uint64_t bytes) {
  const auto failed = [pid] {
    const int error = errno;
    return fail(
        ErrorCode::LimitNotRaised,
        "the limit of locked memory of process " + std::to_string(pid) + " could not be raised: " + errno_text(error) +
            " (" + errno_name(error) + ")" +
            (error == EPERM ? "; devbindd needs CAP_SYS_RESOURCE for that, which a drop-in of its unit can give" : ""),
        error);
  };
  rlimit limit{};
  if (::prlimit(pid, RLIMIT_MEMLOCK, nullptr, &limit) != 0) return failed();
  limit.rlim_cur = std::max<rlim_t>(limit.rlim_cur, bytes);  // RLIM_INFINITY is the largest number
  limit.rlim_max = std::max<rlim_t>(limit.rlim_max, bytes);
  if (::prlimit(pid, RLIMIT_MEMLOCK, &limit, nullptr) != 0) return failed();
  return {};
}

}  // namespace devbindd::sysfs
