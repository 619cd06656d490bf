// SPDX-License-Identifier: Apache-2.0
#include "clients/devbindctl/child.hpp"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <iostream>

#include "clients/devbindctl/become.hpp"

namespace devbindd::clients {
namespace {

volatile pid_t child_to_signal = -1;

void hand_on(int signal) {
  if (child_to_signal > 0) ::kill(child_to_signal, signal);
}

// What is written to the other end until it is closed.
std::string read_all(int descriptor) {
  std::string text;
  std::array<char, 64> part;
  for (;;) {
    const auto got = ::read(descriptor, part.data(), part.size());
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return text;
    text.append(part.data(), static_cast<std::size_t>(got));
  }
}

[[noreturn]] void live_as_child(const Options& options, int go) {
  const auto claim = read_all(go);
  if (claim.empty()) ::_exit(0);
  ::_exit(become_command(options, claim));
}

}  // namespace

Result<Child> Child::start(const Options& options) {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) return fail(std::string("There is no pipe: ") + std::strerror(errno));
  Descriptor reading(ends[0]);
  Descriptor writing(ends[1]);
  std::cout.flush();
  std::cerr.flush();
  const auto pid = ::fork();
  if (pid < 0) return fail(std::string("No process can be started: ") + std::strerror(errno));
  if (pid == 0) {
    writing.close();
    live_as_child(options, reading.get());
  }
  return Child(pid, std::move(writing));
}

void Child::let_go(const std::string& claim) {
  const auto written = ::write(go_.get(), claim.data(), claim.size());
  static_cast<void>(written);  // a child that has ended meanwhile is seen by wait()
  go_.close();
}

int Child::wait() {
  child_to_signal = pid_;
  struct sigaction action {};
  action.sa_handler = hand_on;
  for (const int number : {SIGTERM, SIGHUP}) ::sigaction(number, &action, nullptr);
  // The terminal sends these to both; the child decides what they mean.
  for (const int number : {SIGINT, SIGQUIT}) ::signal(number, SIG_IGN);
  int status = 0;
  while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
  }
  child_to_signal = -1;
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

}  // namespace devbindd::clients
