// SPDX-License-Identifier: Apache-2.0
#include "sysfs/kernel/file_watch.hpp"

#include <sys/inotify.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

namespace devbindd::sysfs {

Result<FileWatch> FileWatch::open() {
  FileDescriptor fd(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
  if (!fd) return fail(ErrorCode::Kernel, "cannot watch files: " + errno_text(errno), errno);
  return FileWatch(std::move(fd));
}

Result<> FileWatch::add(const std::string& directory, std::uint32_t mask) {
  const int watch = ::inotify_add_watch(inotify_.get(), directory.c_str(), mask | IN_ONLYDIR);
  if (watch < 0)
    return fail(ErrorCode::Kernel, "cannot watch " + directory + ": " + errno_text(errno), errno, directory);
  watches_.insert_or_assign(directory, watch);
  directories_.insert_or_assign(watch, directory);
  return {};
}

void FileWatch::remove(const std::string& directory) {
  const auto known = watches_.find(directory);
  if (known == watches_.end()) return;
  ::inotify_rm_watch(inotify_.get(), known->second);  // EINVAL: the kernel has removed it with the directory
  directories_.erase(known->second);
  watches_.erase(known);
}

FileNewsBatch FileWatch::drain() {
  FileNewsBatch batch;
  std::array<char, 16384> buffer;  // NOLINT: every byte that is read was written before
  while (true) {
    const auto size = ::read(inotify_.get(), buffer.data(), buffer.size());
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) {
      batch.lost = batch.lost || (errno != EAGAIN && errno != EWOULDBLOCK);
      return batch;
    }
    take({buffer.data(), static_cast<std::size_t>(size)}, batch);
  }
}

void FileWatch::take(std::span<const char> bytes, FileNewsBatch& batch) {
  inotify_event event{};
  while (bytes.size() >= sizeof event) {
    std::memcpy(&event, bytes.data(), sizeof event);
    const auto name = bytes.subspan(sizeof event, event.len);
    bytes = bytes.subspan(sizeof event + event.len);
    if ((event.mask & IN_Q_OVERFLOW) != 0) batch.lost = true;
    const auto known = directories_.find(event.wd);
    if (known == directories_.end()) continue;
    batch.news.push_back({known->second, event.len > 0 ? std::string(name.data()) : std::string{}, event.mask});
    if ((event.mask & IN_IGNORED) == 0) continue;
    // One that was made anew at the same place has another watch already.
    if (const auto at = watches_.find(known->second); at != watches_.end() && at->second == event.wd)
      watches_.erase(at);
    directories_.erase(known);
  }
}

}  // namespace devbindd::sysfs
