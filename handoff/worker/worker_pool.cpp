// SPDX-License-Identifier: Apache-2.0
#include "handoff/worker/worker_pool.hpp"

#include <algorithm>
#include <boost/asio/post.hpp>
#include <cerrno>
#include <set>
#include <thread>
#include <variant>

#include "handoff/worker/children.hpp"
#include "handoff/worker/worker_process.hpp"
#include "sysfs/kernel/processor_share.hpp"

namespace devbindd::handoff {
namespace {

namespace asio = boost::asio;

constexpr std::size_t max_idle = 4;  // of each kind

}  // namespace

std::size_t useful_at_once() { return std::clamp<std::size_t>(std::thread::hardware_concurrency() + 1, 3, 8); }

struct Lane;

struct Worker {
  std::shared_ptr<WorkerProcess> process;
  bool yields = false;  ///< answers questions of readers, and nothing else
  std::optional<Job> job = {};
  WorkerShare* share = nullptr;   ///< that counts it for its task; nullptr for that of a lane
  std::weak_ptr<Lane> lane = {};  ///< whose worker it is
  bool overdue = false;
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
        children(std::make_shared<Children>(context)),
        readers(settings.readers),
        changers(settings.changers),
        upkeep(settings.upkeep) {}

  asio::io_context& io;
  Settings settings;
  std::shared_ptr<Children> children;
  std::set<std::shared_ptr<Worker>> workers;
  std::vector<std::shared_ptr<Worker>> idle;
  std::vector<std::shared_ptr<Worker>> idle_yielding;
  WorkerShare readers;
  WorkerShare changers;
  WorkerShare upkeep;
  std::size_t lanes = 0;  ///< open ones, and workers that are still at a task of one that is over

  sysfs::Result<std::shared_ptr<Worker>> start_worker(bool yields = false) {
    auto process = WorkerProcess::start(io, settings.command, yields ? sysfs::a_tenth : sysfs::a_third);
    if (!process) return std::unexpected(process.error());
    children->add((*process)->pid());
    auto worker = std::make_shared<Worker>(Worker{.process = std::move(*process), .yields = yields});
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
    worker->job = std::move(job);
    worker->overdue = false;
    const auto& task = worker->job->task;
    worker->process->give(
        task, deadline_of(task),
        {.on_overdue = [self = shared_from_this(), worker] { self->mark_overdue(worker); },
         .on_answer = [self = shared_from_this(), worker](
                          TaskResult result, auto descriptors) { self->answered(worker, result, descriptors); },
         .on_unseen = [self = shared_from_this(), worker] { self->rerun(worker); },
         .on_lost = [self = shared_from_this(), worker](const auto& why) { self->lost(worker, why); }});
  }

  void mark_overdue(const std::shared_ptr<Worker>& worker) {
    worker->overdue = true;
    if (worker->share != nullptr) go_on_without(*worker->share);
    worker->job->callbacks.on_overdue(worker->process->pid());
  }

  void go_on_without(WorkerShare& share) {
    share.mark_overdue();
    for (auto& job : share.hopeless()) fail(std::move(job), too_busy());
    start_waiting(share);
  }

  // The worker had died while it was idle: it has not seen the task, so another may have it.
  void rerun(const std::shared_ptr<Worker>& worker) {
    auto job = std::exchange(worker->job, std::nullopt);
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

  void answered(const std::shared_ptr<Worker>& worker, TaskResult& result,
                std::vector<sysfs::FileDescriptor>& descriptors) {
    const auto job = std::exchange(worker->job, std::nullopt);
    if (worker->lane.expired()) keep_or_end(worker);
    leave_share(worker);
    if (job->callbacks.on_descriptors) job->callbacks.on_descriptors(std::move(descriptors));
    job->callbacks.on_result(std::move(result));
  }

  void forget(const std::shared_ptr<Worker>& worker) {
    std::erase(idle_ones(worker->yields), worker);
    workers.erase(worker);
  }

  // `why`: nullopt when the worker has ended.
  void lost(const std::shared_ptr<Worker>& worker, const std::optional<sysfs::Error>& why) {
    forget(worker);
    const auto job = std::exchange(worker->job, std::nullopt);
    leave_share(worker);
    if (why) return job->callbacks.on_result(std::unexpected(*why));
    job->callbacks.on_result(sysfs::fail(
        sysfs::ErrorCode::Kernel,
        "the worker process " + std::to_string(worker->process->pid()) + " ended before it had answered", ECHILD));
  }
};

WorkerPool::WorkerPool(asio::io_context& io, Settings settings)
    : impl_(std::make_shared<Impl>(io, std::move(settings))) {}

WorkerPool::~WorkerPool() {
  impl_->children->stop_watching();
  for (const auto& worker : impl_->workers) worker->process->stop_clock();
}

sysfs::Result<> WorkerPool::start() {
  impl_->children->watch();
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
