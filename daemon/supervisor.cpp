// SPDX-License-Identifier: Apache-2.0
#include "daemon/supervisor.hpp"

#include <systemd/sd-daemon.h>

#include <chrono>
#include <cstdint>

namespace devbindd::daemon {

std::optional<int> Supervisor::passed_socket() {
  if (::sd_listen_fds(1) <= 0) return std::nullopt;
  return SD_LISTEN_FDS_START;
}

void Supervisor::start() {
  std::uint64_t interval = 0;
  if (::sd_watchdog_enabled(0, &interval) <= 0) return;
  watchdog_.expires_after(std::chrono::microseconds(interval / 3));
  watchdog_.async_wait([this](const boost::system::error_code& error) {
    if (error) return;
    ::sd_notify(0, "WATCHDOG=1");
    start();
  });
}

void Supervisor::ready(std::size_t devices, bool read_only) {
  ::sd_notifyf(0, "READY=1\nSTATUS=%zu PCI devices%s", devices, read_only ? ", read-only" : "");
}

void Supervisor::stopping() { ::sd_notify(0, "STOPPING=1"); }

}  // namespace devbindd::daemon
