// SPDX-License-Identifier: Apache-2.0
// The keeper: the small process with rights behind a daemon without. It starts the workers and takes a few typed
// requests (keeper_wire.hpp); it parses no HTTP, holds no plan, and ends when the daemon's side of its socket closes.
// What a worker may touch stands in its table of permits. Not here: what workers do.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "handoff/worker/keeper_wire.hpp"
#include "sysfs/kernel/file_descriptor.hpp"

namespace devbindd::handoff {

struct KeeperSettings {
  std::vector<std::string> command;                     ///< of a worker; the memory of permits is its descriptor 4
  std::string version;                                  ///< of this program
  std::string configuration;                            ///< the file that these settings are of
  bool read_only = false;                               ///< no permit is given
  std::function<bool(std::string_view path)> may_read;  ///< which files the daemon is lent
  std::function<bool(std::int32_t pid)> is_leftover;    ///< whether the process is a worker of an earlier daemon
  std::function<sysfs::Result<>(const PutCdiFile& file)> put_cdi_file;
  std::function<sysfs::Result<>(const KeepCdiFiles& kept)> keep_cdi_files;
  std::function<void(const std::string& line)> log;  ///< what permits are given, what is refused
};

/// Serves the daemon at the other end of the socket until that closes it, or sends what no daemon sends. Gives the exit
/// status.
int run_keeper(sysfs::FileDescriptor socket, const KeeperSettings& settings);

}  // namespace devbindd::handoff
