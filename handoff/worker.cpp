#include "handoff/worker.hpp"

#include <sys/prctl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <optional>
#include <string>

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

int run_worker(int socket, const Kernel& kernel) {
  for (const int signal : {SIGTERM, SIGINT, SIGHUP, SIGPIPE, SIGQUIT}) std::signal(signal, SIG_IGN);
  ::prctl(PR_SET_NAME, "devbindd-worker");  // what ps and the log of a restart show
  std::string buffer;
  while (auto task = next_task(socket, buffer)) {
    if (!write_all(socket, encode(perform(kernel, *task)))) break;
  }
  return 0;
}

}  // namespace devbindd::handoff
