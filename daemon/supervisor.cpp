// SPDX-License-Identifier: Apache-2.0
#include "daemon/supervisor.hpp"

#include <sys/socket.h>
#include <systemd/sd-daemon.h>

#include <cstdint>
#include <cstdlib>
#include <utility>

namespace devbindd::daemon {
namespace {

constexpr int looks_in_interval = 3;
// A worker may have to be started, on a host that is busy: it has from one look to the one after the next.
constexpr int most_silent = 1;

PassedSocket::Kind kind_of(int descriptor) {
  if (::sd_is_socket_unix(descriptor, SOCK_STREAM, 1, nullptr, 0) > 0) return PassedSocket::Kind::Unix;
  if (::sd_is_socket_inet(descriptor, AF_UNSPEC, SOCK_STREAM, 1, 0) > 0) return PassedSocket::Kind::Tcp;
  return PassedSocket::Kind::Other;
}

}  // namespace

std::vector<PassedSocket> Supervisor::passed_sockets() {
  char** names = nullptr;
  const int count = ::sd_listen_fds_with_names(1, &names);
  std::vector<PassedSocket> sockets;
  for (int at = 0; at < count; ++at) {
    const int descriptor = SD_LISTEN_FDS_START + at;
    sockets.push_back({.descriptor = descriptor, .kind = kind_of(descriptor), .name = names[at]});
    std::free(names[at]);
  }
  std::free(static_cast<void*>(names));
  return sockets;
}

void Supervisor::start(Ping ping) {
  std::uint64_t interval = 0;
  if (::sd_watchdog_enabled(0, &interval) <= 0) return;
  between_looks_ = std::chrono::microseconds(interval / looks_in_interval);
  ping_ = std::move(ping);
  ping_([silent = silent_] { *silent = 0; });
  wait();
}

void Supervisor::wait() {
  watchdog_.expires_after(between_looks_);
  watchdog_.async_wait([this](const boost::system::error_code& error) {
    if (!error) look();
  });
}

void Supervisor::look() {
  if (*silent_ <= most_silent) ::sd_notify(0, "WATCHDOG=1");
  ++*silent_;
  ping_([silent = silent_] { *silent = 0; });
  wait();
}

void Supervisor::ready(const std::string& status) {
  status_ = status;
  ::sd_notify(0, ("READY=1\nSTATUS=" + status).c_str());
}

void Supervisor::status(const std::string& text) {
  if (text == status_) return;
  status_ = text;
  ::sd_notify(0, ("STATUS=" + text).c_str());
}

void Supervisor::reloading() { ::sd_notify(0, "RELOADING=1"); }

void Supervisor::stopping() { ::sd_notify(0, "STOPPING=1\nSTATUS=waiting for operations to end"); }

}  // namespace devbindd::daemon
