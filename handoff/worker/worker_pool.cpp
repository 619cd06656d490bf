// SPDX-License-Identifier: Apache-2.0
#include "handoff/worker/worker_pool.hpp"

#include <algorithm>
#include <boost/asio/post.hpp>
#include <cerrno>
#include <deque>
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

struct Crew;
struct Lane;

struct Worker {
  std::shared_ptr<WorkerProcess> process;
  Crew* crew;
  std::optional<Job> job = {};
  WorkerShare* share = nullptr;   ///< that counts it for its task; nullptr for that of a lane
  std::weak_ptr<Lane> lane = {};  ///< whose worker it is
  bool overdue = false;
};

using WorkerPtr = std::shared_ptr<Worker>;
using TakeWorker = std::function<void(sysfs::Result<WorkerPtr>)>;

/// Workers of one kind: those that have nothing to do, or else who waits for one.
struct Crew {
  int nice;
  std::vector<WorkerPtr> idle = {};
  std::deque<TakeWorker> waiting = {};
};

/// Has its worker from its beginning to its end.
struct Lane {
  explicit Lane(std::function<void(const WorkerPtr&)> end) : on_end(std::move(end)) {}
  Lane(const Lane&) = delete;
  Lane& operator=(const Lane&) = delete;
  ~Lane() { on_end(worker); }
  WorkerPtr worker = {};                           ///< null while it waits for one
  std::weak_ptr<std::optional<Job>> pending = {};  ///< a task that waits with it; whoever brings the worker has it
  std::function<void(const WorkerPtr&)> on_end;
};

struct WorkerPool::Impl : std::enable_shared_from_this<WorkerPool::Impl> {
  Impl(asio::io_context& context, Settings chosen)
      : io(context),
        settings(std::move(chosen)),
        starter(context, settings.command, settings.start_elsewhere),
        children(std::make_shared<Children>(context)),
        readers(settings.readers),
        changers(settings.changers),
        upkeep(settings.upkeep) {}

  asio::io_context& io;
  Settings settings;
  WorkerStarter starter;
  bool starting = false;
  std::shared_ptr<Children> children;
  std::set<WorkerPtr> workers;
  Crew willing{.nice = sysfs::a_third};
  Crew yielding{.nice = sysfs::a_tenth};  ///< they answer questions of readers, and nothing else
  WorkerShare readers;
  WorkerShare changers;
  WorkerShare upkeep;
  WorkerShare pings{{.at_once = 1, .workers = 2}};
  std::size_t lanes = 0;  ///< open ones, and workers that are still at a task of one that is over

  WorkerPtr add(Crew& crew, std::shared_ptr<WorkerProcess> process) {
    if (starter.are_children()) children->add(process->pid());
    return *workers.insert(std::make_shared<Worker>(Worker{.process = std::move(process), .crew = &crew})).first;
  }

  sysfs::Result<> start_first() {
    if (!starter.are_children()) {
      keep_one_idle();
      return {};
    }
    auto spawned = spawn_worker(settings.command, willing.nice);
    if (!spawned) return std::unexpected(spawned.error());
    willing.idle.push_back(add(willing, std::make_shared<WorkerProcess>(io, std::move(*spawned))));
    return {};
  }

  // One at a time. What waits for it may have got another one meanwhile.
  void start_worker(Crew& crew) {
    if (std::exchange(starting, true)) return;
    starter.start(crew.nice, [pool = weak_from_this(), &crew](auto process) {
      if (const auto self = pool.lock()) self->started(crew, std::move(process));
    });
  }

  void started(Crew& crew, sysfs::Result<std::shared_ptr<WorkerProcess>> process) {
    starting = false;
    if (process) {
      keep_or_end(add(crew, std::move(*process)));
    } else if (auto take = next_waiting(crew)) {  // without one it shows again when a worker is needed
      take(std::unexpected(process.error()));
    }
    start_missing();
  }

  void start_missing() {
    if (!willing.waiting.empty()) return start_worker(willing);
    if (!yielding.waiting.empty()) start_worker(yielding);
  }

  void keep_one_idle() {
    if (willing.idle.empty()) start_worker(willing);
  }

  static TakeWorker next_waiting(Crew& crew) {
    if (crew.waiting.empty()) return {};
    auto take = std::move(crew.waiting.front());
    crew.waiting.pop_front();
    return take;
  }

  // At once, or when one has been started or is done with its work. Not at once with an error.
  void with_worker(Crew& crew, TakeWorker take) {
    if (crew.idle.empty()) {
      crew.waiting.push_back(std::move(take));
      return start_missing();
    }
    auto worker = std::move(crew.idle.back());
    crew.idle.pop_back();
    if (&crew == &willing) asio::post(io, [self = shared_from_this()] { self->keep_one_idle(); });
    take(std::move(worker));
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
    with_worker(&share == &readers ? yielding : willing,
                [this, &share, job = std::move(job)](const sysfs::Result<WorkerPtr>& worker) mutable {
                  if (!worker) {
                    share.give_back(false);
                    return fail(std::move(job), worker.error());
                  }
                  (*worker)->share = &share;
                  give(*worker, std::move(job));
                });
  }

  // The smallest of all tasks: nothing is read.
  void ping(std::function<void()> answered) {
    if (!pings.take()) return;
    start(pings, {.task = {ReadOverrides{}, {}},
                  .callbacks = {.on_overdue = [](int) {},
                                .on_result =
                                    [answered = std::move(answered)](const TaskResult& result) {
                                      if (result) answered();
                                    }}});
  }

  void start_waiting(WorkerShare& share) {
    while (auto job = share.next()) start(share, std::move(*job));
  }

  static sysfs::Error too_busy() {
    return {sysfs::ErrorCode::TooBusy, "all worker processes are busy, and none can be expected soon"};
  }

  sysfs::Result<RunTask> open_lane() {
    if (lanes >= settings.lanes) return std::unexpected(too_busy());
    ++lanes;
    const auto lane = std::make_shared<Lane>([pool = weak_from_this()](const WorkerPtr& left) {
      if (const auto self = pool.lock()) self->end_lane(left);
    });
    equip(lane);
    return [pool = weak_from_this(), lane](Task task, TaskCallbacks callbacks) {
      if (const auto self = pool.lock()) self->run_in(lane, {std::move(task), std::move(callbacks)});
    };
  }

  // Before it has a task: a worker may have to be started.
  void equip(const std::shared_ptr<Lane>& lane) {
    const auto pending = std::make_shared<std::optional<Job>>();
    lane->pending = pending;
    with_worker(willing, [this, lane, pending](const sysfs::Result<WorkerPtr>& worker) {
      lane->pending.reset();
      if (!worker && *pending) return fail(std::move(**pending), worker.error());
      if (!worker) return;
      (*worker)->lane = lane;
      lane->worker = *worker;
      if (*pending) give(*worker, std::move(**pending));
    });
  }

  bool is_equipped(const Lane& lane) const { return lane.worker && workers.contains(lane.worker); }

  void run_in(const std::shared_ptr<Lane>& lane, Job job) {
    if (!is_equipped(*lane) && lane->pending.expired()) equip(lane);
    if (is_equipped(*lane)) return give(lane->worker, std::move(job));
    lane->pending.lock()->emplace(std::move(job));
  }

  void end_lane(const WorkerPtr& worker) {
    if (worker && worker->job) return;  // a read that hangs: counted until it returns
    --lanes;
    if (worker && workers.contains(worker)) keep_or_end(worker);
  }

  // Nothing counts it, and it has no task.
  void keep_or_end(const WorkerPtr& worker) {
    auto& crew = *worker->crew;
    if (auto take = next_waiting(crew)) return take(worker);
    if (crew.idle.size() < max_idle) {
      crew.idle.push_back(worker);
    } else {
      workers.erase(worker);  // its socket closes, and the worker ends
    }
  }

  // Its task is over, one way or another: whoever counts it is told. Gives the share whose next task may have its turn.
  WorkerShare* leave_share(Worker& worker) {
    auto* share = std::exchange(worker.share, nullptr);
    if (share != nullptr) share->give_back(worker.overdue);
    if (share == nullptr && worker.lane.expired()) --lanes;
    worker.overdue = false;
    return share;
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

  void give(const WorkerPtr& worker, Job job) {
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

  void mark_overdue(const WorkerPtr& worker) {
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
  void rerun(const WorkerPtr& worker) {
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

  void answered(const WorkerPtr& worker, TaskResult& result, std::vector<sysfs::FileDescriptor>& descriptors) {
    const auto job = std::exchange(worker->job, std::nullopt);
    auto* share = leave_share(*worker);
    if (worker->lane.expired()) keep_or_end(worker);
    if (share != nullptr) start_waiting(*share);
    if (job->callbacks.on_descriptors) job->callbacks.on_descriptors(std::move(descriptors));
    job->callbacks.on_result(std::move(result));
  }

  void forget(const WorkerPtr& worker) {
    std::erase(worker->crew->idle, worker);
    workers.erase(worker);
  }

  // `why`: nullopt when the worker has ended.
  void lost(const WorkerPtr& worker, const std::optional<sysfs::Error>& why) {
    forget(worker);
    const auto job = std::exchange(worker->job, std::nullopt);
    if (auto* share = leave_share(*worker); share != nullptr) start_waiting(*share);
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
  impl_->starter.stop();
}

sysfs::Result<> WorkerPool::start() {
  impl_->children->watch();
  return impl_->start_first();
}

void WorkerPool::run(Task task, TaskCallbacks callbacks) { impl_->run({std::move(task), std::move(callbacks)}); }

sysfs::Result<RunTask> WorkerPool::open_lane() { return impl_->open_lane(); }

void WorkerPool::ping(std::function<void()> answered) { impl_->ping(std::move(answered)); }

std::size_t WorkerPool::stuck() const { return use().stuck; }

WorkerUse WorkerPool::use() const {
  WorkerUse use{.lanes = impl_->lanes,
                .waiting_of_readers = impl_->readers.queued(),
                .waiting_of_changers = impl_->changers.queued(),
                .waiting_of_upkeep = impl_->upkeep.queued()};
  for (const auto& worker : impl_->workers) ++(!worker->job ? use.idle : worker->overdue ? use.stuck : use.working);
  return use;
}

}  // namespace devbindd::handoff
