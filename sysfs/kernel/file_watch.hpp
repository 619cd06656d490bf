// SPDX-License-Identifier: Apache-2.0
// That files have come, gone, been written to or got another owner or mode: inotify, which says so before the call that
// did it returns. Only what processes do through this mount of a file system; what the kernel does to a file of /sys by
// itself has uevents (uevent.hpp).
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "sysfs/kernel/file_descriptor.hpp"
#include "sysfs/kernel/result.hpp"

namespace devbindd::sysfs {

/// Something that happened to a file in a directory that is watched.
struct FileNews {
  std::string directory = {};  ///< as it was given to add()
  std::string name = {};       ///< of the file in it; "" for the directory itself
  std::uint32_t mask = 0;      ///< IN_MODIFY, IN_ATTRIB, ...

  bool operator==(const FileNews&) const = default;
};

/// What one drain brought.
struct FileNewsBatch {
  std::vector<FileNews> news = {};
  bool lost = false;  ///< the queue was full (IN_Q_OVERFLOW), or it could not be read
};

class FileWatch {
 public:
  /// Error: Kernel.
  static Result<FileWatch> open();

  /// Watches what happens in a directory, an absolute path, from now on; another mask replaces the earlier one.
  /// Errors: Kernel, with ENOENT where it is not there and ENOSPC where this user may watch no more of them
  /// (/proc/sys/fs/inotify/max_user_watches).
  Result<> add(const std::string& directory, std::uint32_t mask);
  /// Watches it no longer.
  void remove(const std::string& directory);
  bool watches(const std::string& directory) const { return watches_.contains(directory); }

  /// Takes everything that is waiting, without blocking.
  FileNewsBatch drain();
  int descriptor() const { return inotify_.get(); }

 private:
  explicit FileWatch(FileDescriptor inotify) : inotify_(std::move(inotify)) {}
  void take(std::span<const char> bytes, FileNewsBatch& batch);

  FileDescriptor inotify_;
  std::map<std::string, int> watches_;      ///< directory -> watch
  std::map<int, std::string> directories_;  ///< and back
};

}  // namespace devbindd::sysfs
