#include "handoff/worker.hpp"

#include <sys/prctl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <optional>
#include <string>

#include "handoff/leftover_workers.hpp"
#include "handoff/worker_wire.hpp"

namespace devbindd::handoff {
namespace {

bool write_all(int socket, std::string_view bytes) {
  while (!bytes.empty()) {
    const auto written = ::write(socket, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
  return true;
}

// Only a step changes anything: the other tasks need not be waited for by a later daemon.
std::string label_of(const Task& task) {
  if (task.kind != TaskKind::Step || task.arguments.size() != 3) return "reading";
  return task.arguments[1].empty() ? task.arguments[2] : task.arguments[1];
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

}  // namespace

int run_worker(int socket, const Kernel& kernel, std::span<char> label) {
  WorkerLabel shown(label);
  for (const int signal : {SIGTERM, SIGINT, SIGHUP, SIGPIPE, SIGQUIT}) std::signal(signal, SIG_IGN);
  ::prctl(PR_SET_NAME, worker_name.data());
  std::string buffer;
  while (auto task = next_task(socket, buffer)) {
    shown.set(label_of(*task));
    const auto answer = encode(perform(kernel, *task));
    shown.set("idle");
    if (!write_all(socket, answer)) break;
  }
  return 0;
}

}  // namespace devbindd::handoff
