// SPDX-License-Identifier: Apache-2.0
#include "handoff/worker/worker_pool.hpp"

#include <fcntl.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <algorithm>
#include <array>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>
#include <cerrno>
#include <csignal>
#include <set>
#include <thread>

#include "handoff/worker/worker_wire.hpp"
#include "sysfs/kernel/descriptor_passing.hpp"
#include "sysfs/kernel/file_descriptor.hpp"
#include "sysfs/kernel/processor_share.hpp"

extern char** environ;

namespace devbindd::handoff {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;
using Socket = asio::local::stream_protocol::socket;

constexpr int worker_socket = 3;
constexpr std::size_t max_idle = 4;  // of each kind

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
// log of whoever reads it would not either. So it gets nothing but its own end of the socket pair.
sysfs::Result<pid_t> spawn(const std::vector<std::string>& command, int socket) {
  SpawnSetup setup;
  ::posix_spawn_file_actions_adddup2(&setup.actions, socket, worker_socket);
  ::posix_spawn_file_actions_addclosefrom_np(&setup.actions, worker_socket + 1);
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

std::size_t useful_at_once() { return std::clamp<std::size_t>(std::thread::hardware_concurrency() + 1, 3, 8); }

struct Lane;

struct Worker : std::enable_shared_from_this<Worker> {
  Worker(asio::io_context& io, pid_t process) : pid(process), socket(io), deadline(io) {}
  pid_t pid;
  Socket socket;
  asio::steady_timer deadline;
  bool yields = false;  ///< answers questions of readers, and nothing else
  std::optional<Job> job;
  WorkerShare* share = nullptr;  ///< that counts it for its task; nullptr for that of a lane
  std::weak_ptr<Lane> lane;      ///< whose worker it is
  bool overdue = false;
  std::uint64_t turn = 0;  ///< counts its tasks: an expired deadline of the one before must not count for the next
  std::string outgoing;
  std::string incoming;
  std::array<char, 4> length{};
  std::vector<sysfs::FileDescriptor> descriptors;  ///< that came with the answer
};

/// Has its worker from its beginning to its end.
struct Lane {
  Lane(std::shared_ptr<Worker> first, std::function<void(const std::shared_ptr<Worker>&)> end)
      : worker(std::move(first)), on_end(std::move(end)) {}
  Lane(const Lane&) = delete;
  Lane& operator=(const Lane&) = delete;
  ~Lane() { on_end(worker); }
  std::shared_ptr<Worker> worker;
  std::function<void(const std::shared_ptr<Worker>&)> on_end;
};

struct WorkerPool::Impl : std::enable_shared_from_this<WorkerPool::Impl> {
  Impl(asio::io_context& context, Settings chosen)
      : io(context),
        settings(std::move(chosen)),
        children(context, SIGCHLD),
        readers(settings.readers),
        changers(settings.changers),
        upkeep(settings.upkeep) {}

  asio::io_context& io;
  Settings settings;
  asio::signal_set children;
  std::set<std::shared_ptr<Worker>> workers;
  std::vector<std::shared_ptr<Worker>> idle;
  std::vector<std::shared_ptr<Worker>> idle_yielding;
  WorkerShare readers;
  WorkerShare changers;
  WorkerShare upkeep;
  std::size_t lanes = 0;  ///< open ones, and workers that are still at a task of one that is over

  // Only our own children are reaped: others may belong to a library.
  std::set<pid_t> processes;

  void watch_children() {
    children.async_wait([self = weak_from_this()](error_code error, int) {
      const auto impl = self.lock();
      if (error || !impl) return;
      impl->reap();
      impl->watch_children();
    });
  }

  void reap() {
    std::erase_if(processes, [](pid_t pid) {
      int status = 0;
      return ::waitpid(pid, &status, WNOHANG) == pid;
    });
  }

  sysfs::Result<std::shared_ptr<Worker>> start_worker(bool yields = false) {
    std::array<int, 2> pair{};
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair.data()) != 0) {
      return sysfs::fail(sysfs::ErrorCode::Kernel, "cannot make a socket pair: " + sysfs::errno_text(errno), errno);
    }
    sysfs::FileDescriptor ours(pair[0]);
    const sysfs::FileDescriptor theirs(pair[1]);
    auto pid = spawn(settings.command, theirs.get());
    if (!pid) return std::unexpected(pid.error());
    processes.insert(*pid);
    sysfs::yield_as_session(*pid, yields ? sysfs::a_tenth : sysfs::a_third);
    auto worker = std::make_shared<Worker>(io, *pid);
    worker->socket.assign(asio::local::stream_protocol(), ours.release());
    worker->yields = yields;
    workers.insert(worker);
    return worker;
  }

  void keep_one_idle() {
    if (!idle.empty()) return;
    if (auto worker = start_worker()) idle.push_back(*worker);  // a failure shows again when a worker is needed
  }

  std::vector<std::shared_ptr<Worker>>& idle_ones(bool yielding) { return yielding ? idle_yielding : idle; }

  sysfs::Result<std::shared_ptr<Worker>> take_worker(bool yielding = false) {
    auto& waiting = idle_ones(yielding);
    if (waiting.empty()) return start_worker(yielding);
    auto worker = waiting.back();
    waiting.pop_back();
    if (!yielding) asio::post(io, [self = shared_from_this()] { self->keep_one_idle(); });
    return worker;
  }

  WorkerShare& share_of(const Asker& asker) {
    if (asker.name.empty()) return upkeep;
    return asker.may_change ? changers : readers;
  }

  void run(Job job) {
    auto& share = share_of(job.task.asker);
    if (share.take()) return start(share, std::move(job));
    if (!share.push(job)) fail(std::move(job), too_busy());
  }

  // A worker is counted for it.
  void start(WorkerShare& share, Job job) {
    auto worker = take_worker(&share == &readers);
    if (!worker) {
      share.give_back(false);
      return fail(std::move(job), worker.error());
    }
    (*worker)->share = &share;
    give(*worker, std::move(job));
  }

  void start_waiting(WorkerShare& share) {
    while (auto job = share.next()) start(share, std::move(*job));
  }

  static sysfs::Error too_busy() {
    return {sysfs::ErrorCode::TooBusy, "all worker processes are busy, and none can be expected soon"};
  }

  sysfs::Result<RunTask> open_lane() {
    if (lanes >= settings.lanes) return std::unexpected(too_busy());
    auto worker = take_worker();
    if (!worker) return std::unexpected(worker.error());
    ++lanes;
    const auto end = [pool = weak_from_this()](const std::shared_ptr<Worker>& left) {
      if (const auto self = pool.lock()) self->end_lane(left);
    };
    const auto lane = std::make_shared<Lane>(*worker, end);
    (*worker)->lane = lane;
    return [pool = weak_from_this(), lane](Task task, TaskCallbacks callbacks) {
      if (const auto self = pool.lock()) self->run_in(lane, {std::move(task), std::move(callbacks)});
    };
  }

  void run_in(const std::shared_ptr<Lane>& lane, Job job) {
    if (!workers.contains(lane->worker)) {
      auto worker = take_worker();
      if (!worker) return fail(std::move(job), worker.error());
      (*worker)->lane = lane;
      lane->worker = *worker;
    }
    give(lane->worker, std::move(job));
  }

  void end_lane(const std::shared_ptr<Worker>& worker) {
    if (worker->job) return;  // a read that hangs: counted until it returns
    --lanes;
    if (workers.contains(worker)) keep_or_end(worker);
  }

  void keep_or_end(const std::shared_ptr<Worker>& worker) {
    auto& waiting = idle_ones(worker->yields);
    if (waiting.size() < max_idle) {
      waiting.push_back(worker);
    } else {
      workers.erase(worker);  // its socket closes, and the worker ends
    }
  }

  // Its task is over, one way or another: whoever counts it is told.
  void leave_share(const std::shared_ptr<Worker>& worker) {
    auto* share = std::exchange(worker->share, nullptr);
    if (share != nullptr) share->give_back(worker->overdue);
    if (share == nullptr && worker->lane.expired()) --lanes;
    worker->overdue = false;
    if (share != nullptr) start_waiting(*share);
  }

  // Posted, so that a caller never gets its answer before run() has returned.
  void fail(Job job, sysfs::Error error) {
    asio::post(io,
               [job = std::move(job), error = std::move(error)] { job.callbacks.on_result(std::unexpected(error)); });
  }

  std::chrono::milliseconds deadline_of(const Task& task) const {
    switch (std::visit([](const auto& work) { return work.patience; }, task.work)) {
      case Patience::Step: return settings.step_deadline;
      case Patience::Scan: return settings.scan_deadline;
      case Patience::Read: break;
    }
    return settings.read_deadline;
  }

  void give(const std::shared_ptr<Worker>& worker, Job job) {
    const auto limit = deadline_of(job.task);
    worker->outgoing = encode(job.task);
    worker->job = std::move(job);
    worker->overdue = false;
    worker->deadline.expires_after(limit);
    worker->deadline.async_wait([self = shared_from_this(), worker, turn = ++worker->turn](error_code error) {
      if (error || !worker->job || worker->turn != turn) return;
      worker->overdue = true;
      if (worker->share != nullptr) self->go_on_without(*worker->share);
      worker->job->callbacks.on_overdue(worker->pid);
    });
    asio::async_write(worker->socket, asio::buffer(worker->outgoing),
                      [self = shared_from_this(), worker](error_code error, std::size_t) {
                        if (error) return self->rerun(worker);
                        self->read_first_bytes(worker);
                      });
  }

  void go_on_without(WorkerShare& share) {
    share.mark_overdue();
    for (auto& job : share.hopeless()) fail(std::move(job), too_busy());
    start_waiting(share);
  }

  // The worker had died while it was idle: it has not seen the task, so another may have it.
  void rerun(const std::shared_ptr<Worker>& worker) {
    auto job = std::exchange(worker->job, std::nullopt);
    if (!job) return lost(worker);
    if (const auto lane = worker->lane.lock()) {
      forget(worker);
      return run_in(lane, std::move(*job));
    }
    auto* share = std::exchange(worker->share, nullptr);
    const bool overdue = worker->overdue;
    forget(worker);
    if (share == nullptr) --lanes;  // of a lane that is over
    if (share == nullptr) return fail(std::move(*job), too_busy());
    share->give_back(overdue);
    run(std::move(*job));
  }

  // What the worker has opened comes with the first byte of its answer, and an ordinary read would drop it.
  void read_first_bytes(const std::shared_ptr<Worker>& worker) {
    worker->socket.async_wait(Socket::wait_read, [self = shared_from_this(), worker](error_code error) {
      if (error) return self->lost(worker);
      auto got = sysfs::receive_with_descriptors(worker->socket.native_handle(), worker->length);
      if (!got && got.error().errno_value == EAGAIN) return self->read_first_bytes(worker);
      // Of one that has ended without having read its task: an end like any other.
      if (!got && got.error().errno_value == ECONNRESET) return self->lost(worker);
      if (!got) return self->lost(worker, got.error());
      if (got->size == 0) return self->lost(worker);
      worker->descriptors = std::move(got->descriptors);
      self->read_length(worker, got->size);
    });
  }

  void read_length(const std::shared_ptr<Worker>& worker, std::size_t read) {
    asio::async_read(worker->socket, asio::buffer(worker->length) + read,
                     [self = shared_from_this(), worker](error_code error, std::size_t) {
                       if (error) return self->lost(worker);
                       const auto size = frame_size({worker->length.data(), worker->length.size()});
                       if (!size || *size > max_frame_bytes) return self->lost(worker);
                       worker->incoming.assign(worker->length.data(), worker->length.size());
                       worker->incoming.resize(*size);
                       self->read_payload(worker);
                     });
  }

  void read_payload(const std::shared_ptr<Worker>& worker) {
    auto rest = asio::buffer(worker->incoming) + worker->length.size();
    asio::async_read(worker->socket, rest, [self = shared_from_this(), worker](error_code error, std::size_t) {
      if (error) return self->lost(worker);
      auto result = decode_result(worker->incoming, worker->job->task.work);
      if (!result) return self->lost(worker);
      self->answered(worker, std::move(*result));
    });
  }

  void answered(const std::shared_ptr<Worker>& worker, TaskResult result) {
    worker->deadline.cancel();
    const auto job = std::exchange(worker->job, std::nullopt);
    auto descriptors = std::exchange(worker->descriptors, {});
    if (worker->lane.expired()) keep_or_end(worker);
    leave_share(worker);
    if (job->callbacks.on_descriptors) job->callbacks.on_descriptors(std::move(descriptors));
    job->callbacks.on_result(std::move(result));
  }

  void forget(const std::shared_ptr<Worker>& worker) {
    worker->deadline.cancel();
    std::erase(idle_ones(worker->yields), worker);
    workers.erase(worker);
  }

  // `why`: nullopt when the worker has ended.
  void lost(const std::shared_ptr<Worker>& worker, const std::optional<sysfs::Error>& why = std::nullopt) {
    if (!workers.contains(worker)) return;
    forget(worker);
    const auto job = std::exchange(worker->job, std::nullopt);
    if (!job) return;
    leave_share(worker);
    if (why) return job->callbacks.on_result(std::unexpected(*why));
    job->callbacks.on_result(
        sysfs::fail(sysfs::ErrorCode::Kernel,
                    "the worker process " + std::to_string(worker->pid) + " ended before it had answered", ECHILD));
  }
};

WorkerPool::WorkerPool(asio::io_context& io, Settings settings)
    : impl_(std::make_shared<Impl>(io, std::move(settings))) {}

WorkerPool::~WorkerPool() {
  impl_->children.cancel();
  for (const auto& worker : impl_->workers) worker->deadline.cancel();
}

sysfs::Result<> WorkerPool::start() {
  impl_->watch_children();
  auto worker = impl_->start_worker();
  if (!worker) return std::unexpected(worker.error());
  impl_->idle.push_back(*worker);
  return {};
}

void WorkerPool::run(Task task, TaskCallbacks callbacks) { impl_->run({std::move(task), std::move(callbacks)}); }

sysfs::Result<RunTask> WorkerPool::open_lane() { return impl_->open_lane(); }

std::size_t WorkerPool::stuck() const {
  std::size_t count = 0;
  for (const auto& worker : impl_->workers) count += worker->job && worker->overdue ? 1 : 0;
  return count;
}

}  // namespace devbindd::handoff
