// SPDX-License-Identifier: Apache-2.0
#include "daemon/state_files.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <boost/asio/post.hpp>
#include <cerrno>
#include <filesystem>
#include <functional>
#include <utility>

#include "handoff/worker/worker_lock.hpp"

namespace devbindd::daemon {

std::string lock_file(const Configuration& configuration) {
  return configuration.read_only ? std::string{} : configuration.state_directory + "/workers";
}

sysfs::Result<sysfs::FileDescriptor> open_state(const Configuration& configuration) {
  if (configuration.read_only) return sysfs::FileDescriptor();
  std::error_code error;
  std::filesystem::create_directories(configuration.state_directory, error);
  if (error)
    return sysfs::fail(sysfs::ErrorCode::JournalFailed,
                       "cannot make " + configuration.state_directory + ": " + error.message(), error.value());
  auto locks = handoff::open_worker_locks(lock_file(configuration));
  // Workers that a keeper has started are of this group, and have no right to overrule a mode.
  if (locks && ::geteuid() != 0 && ::fchmod(locks->get(), 0660) != 0 && errno != EPERM)
    return sysfs::fail(sysfs::ErrorCode::JournalFailed,
                       "cannot open " + lock_file(configuration) + " to workers: " + sysfs::errno_text(errno), errno);
  return locks;
}

sysfs::Result<std::unique_ptr<handoff::Journal>> open_journal(const Configuration& configuration,
                                                              const sysfs::Tree& tree, boost::asio::io_context& io) {
  const auto boot_id = tree.read("proc/sys/kernel/random/boot_id");
  if (!boot_id) return std::unexpected(boot_id.error());
  auto post = [&io](std::function<void()> work) { boost::asio::post(io, std::move(work)); };
  const auto path = configuration.read_only ? std::string(":memory:") : configuration.state_directory + "/state.db";
  return handoff::Journal::open(path, *boot_id, std::move(post));
}

}  // namespace devbindd::daemon
