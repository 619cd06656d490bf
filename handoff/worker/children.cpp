// SPDX-License-Identifier: Apache-2.0
#include "handoff/worker/children.hpp"

#include <sys/wait.h>

#include <csignal>

namespace devbindd::handoff {

namespace {

bool has_ended(pid_t pid) {
  int status = 0;
  return ::waitpid(pid, &status, WNOHANG) == pid;
}

}  // namespace

Children::Children(boost::asio::io_context& io) : signals_(std::in_place, io, SIGCHLD) {}

void Children::watch() {
  if (!signals_) return;
  signals_->async_wait([self = weak_from_this()](boost::system::error_code error, int) {
    const auto children = self.lock();
    if (error || !children) return;
    children->reap();
    children->watch();
  });
}

void Children::add(pid_t pid) {
  if (!has_ended(pid)) running_.insert(pid);
}

void Children::reap() { std::erase_if(running_, has_ended); }

}  // namespace devbindd::handoff
