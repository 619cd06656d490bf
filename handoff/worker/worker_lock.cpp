// SPDX-License-Identifier: Apache-2.0
#include "handoff/worker/worker_lock.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <limits>

namespace devbindd::handoff {
namespace {

// Of more than this many nobody has that many workers: the list ends there.
constexpr std::size_t max_holders = 4096;

/// Bytes of the file, both ends included.
struct Range {
  off_t first = 0;
  off_t last = std::numeric_limits<off_t>::max();
};

struct flock lock_on(const Range& range) {
  struct flock lock {};
  lock.l_type = F_WRLCK;
  lock.l_whence = SEEK_SET;
  lock.l_start = range.first;
  lock.l_len = range.last == std::numeric_limits<off_t>::max() ? 0 : range.last - range.first + 1;
  return lock;
}

}  // namespace

sysfs::Result<sysfs::FileDescriptor> open_worker_locks(const std::string& path) {
  sysfs::FileDescriptor file(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (file) return file;
  return sysfs::fail(sysfs::ErrorCode::JournalFailed, "cannot open " + path + ": " + sysfs::errno_text(errno), errno,
                     path);
}

sysfs::Result<> lock_as_worker(const sysfs::FileDescriptor& locks) {
  const off_t own = ::getpid();
  auto lock = lock_on({own, own});
  if (::fcntl(locks.get(), F_SETLK, &lock) == 0) return {};
  return sysfs::fail(sysfs::ErrorCode::JournalFailed, "cannot take a worker's lock: " + sysfs::errno_text(errno),
                     errno);
}

// The kernel tells one lock within a range, any of them: the ranges before and behind it are asked for next.
std::vector<std::int32_t> lock_holders(const sysfs::FileDescriptor& locks) {
  std::vector<std::int32_t> found;
  std::vector<Range> ranges{{}};
  while (!ranges.empty() && found.size() < max_holders) {
    const auto range = ranges.back();
    ranges.pop_back();
    auto lock = lock_on(range);
    if (::fcntl(locks.get(), F_GETLK, &lock) != 0 || lock.l_type == F_UNLCK) continue;
    found.push_back(std::max(lock.l_pid, 0));
    if (lock.l_start > range.first) ranges.push_back({range.first, lock.l_start - 1});
    const auto end = lock.l_start + lock.l_len - 1;
    if (lock.l_len > 0 && end < range.last) ranges.push_back({end + 1, range.last});
  }
  std::ranges::sort(found);
  const auto repeated = std::ranges::unique(found);
  found.erase(repeated.begin(), repeated.end());
  return found;
}

}  // namespace devbindd::handoff
