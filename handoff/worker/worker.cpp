// SPDX-License-Identifier: Apache-2.0
#include "handoff/worker/worker.hpp"

#include <poll.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <optional>
#include <string>

#include "handoff/worker/leftover_workers.hpp"
#include "handoff/worker/permit_check.hpp"
#include "handoff/worker/worker_lock.hpp"
#include "handoff/worker/worker_wire.hpp"
#include "sysfs/kernel/descriptor_passing.hpp"

namespace devbindd::handoff {
namespace {

bool send_all(int socket, std::string_view bytes, std::span<const sysfs::FileDescriptor> descriptors) {
  while (!bytes.empty()) {
    const auto sent = sysfs::send_with_descriptors(socket, bytes, descriptors);
    if (!sent) return false;
    bytes.remove_prefix(*sent);
    descriptors = {};
  }
  return true;
}

// Only a step changes anything: the other tasks need not be waited for by a later daemon.
std::string label_of_task(const Task& task) {
  const auto* work = std::get_if<PerformStep>(&task.work);
  if (work == nullptr) return "reading";
  return work->step.address ? sysfs::to_string(*work->step.address) : work->step.argument;
}

// Asked after the label is set: whoever sees another label than the task's sees a worker that will ask this first.
bool is_alone(int socket) {
  pollfd end{.fd = socket, .events = POLLRDHUP, .revents = 0};
  return ::poll(&end, 1, 0) > 0;
}

// nullopt: the daemon is gone, or sent what no daemon sends.
std::optional<Task> next_task(int socket, std::string& buffer) {
  std::array<char, 4096> chunk{};
  while (true) {
    const auto size = frame_size(buffer);
    if (size && *size > max_frame_bytes) return std::nullopt;
    if (size && buffer.size() >= *size) {
      auto task = decode_task(std::string_view(buffer).substr(0, *size));
      buffer.erase(0, *size);
      return task;
    }
    const auto got = ::read(socket, chunk.data(), chunk.size());
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return std::nullopt;
    buffer.append(chunk.data(), static_cast<std::size_t>(got));
  }
}

// Whoever asks: a daemon that has been taken over is no reason to write elsewhere.
TaskResult perform_permitted(const Kernel& kernel, const Permits* permits, const Task& task,
                             std::vector<sysfs::FileDescriptor>& opened) {
  auto may = check_form(task.work);
  if (may && permits != nullptr) may = check_permitted(kernel, *permits, task.work);
  if (!may) return std::unexpected(std::move(may.error()));
  return perform(kernel, task, opened);
}

}  // namespace

int run_worker(int socket, const Kernel& kernel, std::span<char> label, const std::string& locks,
               const Permits* permits) {
  WorkerLabel shown(label);
  sysfs::Result<sysfs::FileDescriptor> lock;
  if (!locks.empty()) lock = open_worker_locks(locks);
  if (!lock || (!locks.empty() && !lock_as_worker(*lock))) return 1;
  for (const int signal : {SIGTERM, SIGINT, SIGHUP, SIGPIPE, SIGQUIT}) std::signal(signal, SIG_IGN);
  ::prctl(PR_SET_NAME, worker_name);
  std::string buffer;
  while (auto task = next_task(socket, buffer)) {
    shown.set(label_of_task(*task));
    if (is_alone(socket)) break;
    std::vector<sysfs::FileDescriptor> opened;
    const auto answer = encode(perform_permitted(kernel, permits, *task, opened));
    shown.set("idle");
    if (!send_all(socket, answer, opened)) break;
  }
  return 0;
}

}  // namespace devbindd::handoff
