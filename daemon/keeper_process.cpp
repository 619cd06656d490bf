// SPDX-License-Identifier: Apache-2.0
#include "daemon/keeper_process.hpp"

#include <spdlog/spdlog.h>
#include <sys/socket.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <optional>
#include <set>
#include <string_view>
#include <utility>

#include "api/render/cdi_check.hpp"
#include "daemon/build_info.hpp"
#include "daemon/state_files.hpp"
#include "handoff/worker/keeper.hpp"
#include "handoff/worker/leftover_workers.hpp"
#include "handoff/worker/permit_table.hpp"
#include "handoff/worker/worker.hpp"
#include "handoff/worker/worker_lock.hpp"
#include "sysfs/kernel/linux_tree.hpp"
#include "vfio/linux_ioctl.hpp"

namespace devbindd::daemon {
namespace {

constexpr int first_descriptor = 3;  // of a worker: its socket; the next is the memory of permits

// What the daemon may read and its user may not: firmware's tables, the kernel's log, and what its own configuration
// names. Nothing that the daemon says becomes a path here.
std::set<std::string, std::less<>> readable_files(const Configuration& configuration, const std::string& file) {
  std::set<std::string, std::less<>> files = {"/dev/kmsg", file};
  for (const auto* table : {"DMAR", "IVRS", "IORT", "VIOT"})
    files.insert("/sys/firmware/acpi/tables/" + std::string(table));
  if (configuration.tls) {
    for (const auto& named : {configuration.tls->certificate, configuration.tls->key, configuration.tls->client_ca})
      if (named.starts_with('/')) files.insert(named);
  }
  return files;
}

sysfs::Result<> put_file(const api::CdiFiles& files, const handoff::PutCdiFile& file) {
  if (!file.text.empty() && !api::is_harmless_cdi(file.text)) {
    return sysfs::fail(sysfs::ErrorCode::Kernel,
                       "the CDI file of claim " + file.claim + " says more than which nodes a container gets", EPERM);
  }
  return files.put(file.claim, file.text);
}

bool is_worker(const std::string& locks, std::int32_t pid) {
  const auto file = handoff::open_worker_locks(locks);
  if (!file) return false;
  const auto holders = handoff::lock_holders(*file);
  return std::ranges::find(holders, pid) != holders.end();
}

std::string of_peer(int socket) {
  ucred peer{};
  socklen_t size = sizeof peer;
  if (::getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0)
    return "a process that the kernel does not name";
  return "process " + std::to_string(peer.pid) + " of user " + std::to_string(peer.uid);
}

}  // namespace

std::vector<std::string> worker_command(std::vector<std::string> worker, const Configuration& configuration) {
  worker.push_back(lock_file(configuration));
  worker.emplace_back(handoff::worker_label_room);
  return worker;
}

api::CdiFiles cdi_files_of(const Configuration& configuration) {
  return api::CdiFiles(configuration.read_only ? std::string{} : configuration.cdi_directory);
}

int run_keeper_process(const Configuration& configuration, const std::string& configuration_file) {
  if (::sd_listen_fds(1) != 1) {
    spdlog::error("--keep is for devbindd-keeper.socket: systemd passes the connection of a daemon");
    return EXIT_FAILURE;
  }
  sysfs::FileDescriptor socket(SD_LISTEN_FDS_START);
  spdlog::info("serving {}", of_peer(socket.get()));
  const auto files = cdi_files_of(configuration);
  const auto readable = readable_files(configuration, configuration_file);
  const auto locks = lock_file(configuration);
  const handoff::KeeperSettings settings{
      .command = worker_command({"/proc/self/exe", "--permitted-worker"}, configuration),
      .version = build_version,
      .configuration = configuration_file,
      .read_only = configuration.read_only,
      .may_read = [&readable](std::string_view path) { return readable.contains(path); },
      .is_leftover = [&locks](std::int32_t pid) { return !locks.empty() && is_worker(locks, pid); },
      .put_cdi_file = [&files](const handoff::PutCdiFile& file) { return put_file(files, file); },
      .keep_cdi_files =
          [&files](const handoff::KeepCdiFiles& kept) {
            return files.tidy({kept.claims.begin(), kept.claims.end()});
          },
      .log = [](const std::string& line) { spdlog::info("{}", line); }};
  // The thread that lends may still look at the settings: the process ends here, and with it the thread.
  ::_exit(handoff::run_keeper(std::move(socket), settings));
}

int run_worker_process(const std::string& locks, std::span<char> label, bool needs_permits) {
  auto tree = sysfs::LinuxTree::open("/");
  if (!tree) return EXIT_FAILURE;
  std::optional<handoff::PermitMemory> memory;
  if (needs_permits) {
    auto view = handoff::PermitMemory::view(first_descriptor + 1);
    if (!view) return EXIT_FAILURE;
    memory.emplace(std::move(*view));
    ::close(first_descriptor + 1);
  }
  std::optional<handoff::PermitView> permits;
  if (memory) permits.emplace(*memory);
  const vfio::LinuxIoctl ioctl;
  const sysfs::ModuleIndex modules;
  return handoff::run_worker(first_descriptor, {*tree, ioctl, modules}, label, locks, permits ? &*permits : nullptr);
}

}  // namespace devbindd::daemon
