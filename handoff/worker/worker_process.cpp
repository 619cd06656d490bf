// SPDX-License-Identifier: Apache-2.0
#include "handoff/worker/worker_process.hpp"

#include <fcntl.h>
#include <spawn.h>
#include <sys/socket.h>

#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>
#include <cerrno>
#include <csignal>

#include "handoff/worker/worker_wire.hpp"
#include "sysfs/kernel/descriptor_passing.hpp"
#include "sysfs/kernel/processor_share.hpp"

extern char** environ;

namespace devbindd::handoff {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;

constexpr int worker_socket = 3;
constexpr int worker_permits = 4;

// posix_spawn's attribute objects with their ends.
struct SpawnSetup {
  posix_spawn_file_actions_t actions{};
  posix_spawnattr_t attributes{};
  SpawnSetup() {
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawnattr_init(&attributes);
  }
  SpawnSetup(const SpawnSetup&) = delete;
  SpawnSetup& operator=(const SpawnSetup&) = delete;
  ~SpawnSetup() {
    ::posix_spawnattr_destroy(&attributes);
    ::posix_spawn_file_actions_destroy(&actions);
  }
};

// A worker may hang in the kernel for longer than the daemon lives: whatever it had of the daemon's would stay open as
// long. A listener would keep the next daemon from its address, a connection would never end for its client, and the
// log of whoever reads it would not either. So it gets nothing but its own end of the socket pair, and the
// memory of permits.
sysfs::Result<pid_t> spawn(const std::vector<std::string>& command, int socket, int permits) {
  SpawnSetup setup;
  // Out of each other's way: one may have the number that the other is to get.
  constexpr int lowest = worker_permits + 1;
  const sysfs::FileDescriptor own_socket(::fcntl(socket, F_DUPFD_CLOEXEC, lowest));
  const sysfs::FileDescriptor own_permits(permits < 0 ? -1 : ::fcntl(permits, F_DUPFD_CLOEXEC, lowest));
  if (!own_socket || (permits >= 0 && !own_permits))
    return sysfs::fail(sysfs::ErrorCode::Kernel, "cannot duplicate a descriptor: " + sysfs::errno_text(errno), errno);
  ::posix_spawn_file_actions_adddup2(&setup.actions, own_socket.get(), worker_socket);
  if (own_permits) ::posix_spawn_file_actions_adddup2(&setup.actions, own_permits.get(), worker_permits);
  ::posix_spawn_file_actions_addclosefrom_np(&setup.actions, permits >= 0 ? worker_permits + 1 : worker_socket + 1);
  ::posix_spawn_file_actions_addopen(&setup.actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  for (const int output : {STDOUT_FILENO, STDERR_FILENO})
    ::posix_spawn_file_actions_addopen(&setup.actions, output, "/dev/null", O_WRONLY, 0);
  // A session of its own: the terminal's Ctrl-C must not reach a worker in the middle of a write.
  // Polite signals are held back until the worker ignores them: one that comes earlier must not end it.
  sigset_t polite;
  ::sigemptyset(&polite);
  for (const int signal : {SIGTERM, SIGINT, SIGHUP, SIGQUIT}) ::sigaddset(&polite, signal);
  ::posix_spawnattr_setsigmask(&setup.attributes, &polite);
  ::posix_spawnattr_setflags(&setup.attributes, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK);
  std::vector<char*> arguments;
  for (const auto& argument : command) arguments.push_back(const_cast<char*>(argument.c_str()));
  arguments.push_back(nullptr);
  pid_t pid = 0;
  const int error =
      ::posix_spawn(&pid, command.front().c_str(), &setup.actions, &setup.attributes, arguments.data(), environ);
  if (error != 0)
    return sysfs::fail(sysfs::ErrorCode::Kernel, "cannot start a worker process: " + sysfs::errno_text(error), error,
                       command.front());
  return pid;
}

}  // namespace

sysfs::Result<SpawnedWorker> spawn_worker(const std::vector<std::string>& command, int nice, int permits) {
  std::array<int, 2> pair{};
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair.data()) != 0) {
    return sysfs::fail(sysfs::ErrorCode::Kernel, "cannot make a socket pair: " + sysfs::errno_text(errno), errno);
  }
  sysfs::FileDescriptor ours(pair[0]);
  const sysfs::FileDescriptor theirs(pair[1]);
  const auto pid = spawn(command, theirs.get(), permits);
  if (!pid) return std::unexpected(pid.error());
  sysfs::yield_as_session(*pid, nice);
  return SpawnedWorker{*pid, std::move(ours)};
}

// One task of the process, from its giving to its end. Whoever waits has it, and not the process: what the events keep
// alive goes with the last wait.
struct WorkerProcess::Turn {
  TaskWork asked;
  Events events;
  std::string outgoing;
  std::string incoming = {};
  std::array<char, 4> length = {};
  std::vector<sysfs::FileDescriptor> descriptors = {};  ///< that came with the answer
  bool over = false;
};

WorkerProcess::WorkerProcess(asio::io_context& io, SpawnedWorker spawned)
    : pid_(spawned.pid), socket_(io), deadline_(std::in_place, io) {
  socket_.assign(asio::local::stream_protocol(), spawned.socket.release());
}

void WorkerProcess::give(const Task& task, std::chrono::milliseconds deadline, Events events) {
  const auto turn = std::make_shared<Turn>(Turn{task.work, std::move(events), encode(task)});
  watch(turn, deadline);
  asio::async_write(socket_, asio::buffer(turn->outgoing),
                    [self = shared_from_this(), turn](error_code error, std::size_t) {
                      if (!error) return self->read_first_bytes(turn);
                      self->end(turn);
                      turn->events.on_unseen();
                    });
}

// An expired deadline of a task that is over must not count for the next.
void WorkerProcess::watch(const TurnPtr& turn, std::chrono::milliseconds deadline) {
  if (!deadline_) return;
  deadline_->expires_after(deadline);
  deadline_->async_wait([self = shared_from_this(), turn](error_code error) {
    if (!error && !turn->over) turn->events.on_overdue();
  });
}

// What the worker has opened comes with the first byte of its answer, and an ordinary read would drop it.
void WorkerProcess::read_first_bytes(const TurnPtr& turn) {
  socket_.async_wait(asio::socket_base::wait_read, [self = shared_from_this(), turn](error_code error) {
    if (error) return self->lose(turn);
    auto got = sysfs::receive_with_descriptors(self->socket_.native_handle(), turn->length);
    if (!got && got.error().errno_value == EAGAIN) return self->read_first_bytes(turn);
    // Of one that has ended without having read its task: an end like any other.
    if (!got && got.error().errno_value == ECONNRESET) return self->lose(turn);
    if (!got) return self->lose(turn, got.error());
    if (got->size == 0) return self->lose(turn);
    turn->descriptors = std::move(got->descriptors);
    self->read_length(turn, got->size);
  });
}

void WorkerProcess::read_length(const TurnPtr& turn, std::size_t read) {
  asio::async_read(socket_, asio::buffer(turn->length) + read,
                   [self = shared_from_this(), turn](error_code error, std::size_t) {
                     if (error) return self->lose(turn);
                     const auto size = frame_size({turn->length.data(), turn->length.size()});
                     if (!size || *size > max_frame_bytes) return self->lose(turn);
                     turn->incoming.assign(turn->length.data(), turn->length.size());
                     turn->incoming.resize(*size);
                     self->read_payload(turn);
                   });
}

void WorkerProcess::read_payload(const TurnPtr& turn) {
  auto rest = asio::buffer(turn->incoming) + turn->length.size();
  asio::async_read(socket_, rest, [self = shared_from_this(), turn](error_code error, std::size_t) {
    if (error) return self->lose(turn);
    auto result = decode_result(turn->incoming, turn->asked);
    if (!result) return self->lose(turn);
    self->end(turn);
    turn->events.on_answer(std::move(*result), std::move(turn->descriptors));
  });
}

void WorkerProcess::end(const TurnPtr& turn) {
  turn->over = true;
  if (deadline_) deadline_->cancel();
}

void WorkerProcess::lose(const TurnPtr& turn, std::optional<sysfs::Error> why) {
  end(turn);
  turn->events.on_lost(std::move(why));
}

}  // namespace devbindd::handoff
