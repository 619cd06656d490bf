// SPDX-License-Identifier: Apache-2.0
// A task for a worker process and its result, and how the daemon has one done. Not here: the tasks (tasks.hpp),
// processes (worker_pool.hpp), what performs them (perform.hpp).
#pragma once

#include <cerrno>
#include <functional>
#include <string>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "handoff/model/asker.hpp"
#include "handoff/worker/tasks.hpp"
#include "sysfs/kernel/file_descriptor.hpp"
#include "sysfs/kernel/result.hpp"

namespace devbindd::handoff {

/// The kinds of tasks: work and answer are variants of one order.
template <class... Works>
struct TaskKinds {
  using Work = std::variant<Works...>;
  using Answer = std::variant<typename Works::Answer...>;
  template <class Work>
  static consteval std::size_t index() {
    std::size_t at = 0;
    (void)((std::is_same_v<Work, Works> || (++at, false)) || ...);
    return at;
  }
};
using AllTasks = TaskKinds<PerformStep, ReadOverrides, FindHolders, ReadVfioFacts, ReadAttributes, ProbeVfio,
                           ReadConfig, ReadVpd, FindUsage, ChangeAccess, FindAccess, FindOwners, RaiseLockedMemory,
                           ReadVfSettings, OpenNodes, ReadAlternativeNames, NameOwners>;
using TaskWork = AllTasks::Work;
using TaskAnswer = AllTasks::Answer;
template <class Work>
constexpr std::size_t kind_of = AllTasks::index<Work>();

struct Task {
  TaskWork work = {};
  Asker asker = {};  ///< not sent to the worker

  bool operator==(const Task&) const = default;
};

/// The answer of the kind that was asked for, or the error of the system call.
using TaskResult = sysfs::Result<TaskAnswer>;
template <class Work>
using ResultOf = sysfs::Result<typename Work::Answer>;

/// The typed result as one of any task.
template <class Work>
TaskResult result_of(ResultOf<Work> result) {
  if (!result) return std::unexpected(std::move(result.error()));
  return TaskAnswer(std::in_place_index<kind_of<Work>>, std::move(*result));
}

/// The inverse. Error: Kernel with EINVAL for the answer to another kind of task.
template <class Work>
ResultOf<Work> result_to(TaskResult result) {
  if (!result) return std::unexpected(std::move(result.error()));
  auto* answer = std::get_if<kind_of<Work>>(&*result);
  if (answer == nullptr)
    return sysfs::fail(sysfs::ErrorCode::Kernel, "a worker's answer is that to another task", EINVAL);
  return std::move(*answer);
}

/// How the daemon has a task done, the seam between the engine and the worker processes. `on_overdue` is called at most
/// once, with the worker's pid, when the deadline passes; the task goes on, and `on_result` comes whenever the kernel
/// lets go. `on_result` is called exactly once unless the daemon ends before.
struct TaskCallbacks {
  std::function<void(int worker_pid)> on_overdue;
  std::function<void(TaskResult)> on_result;
  std::function<void(std::vector<sysfs::FileDescriptor>)> on_descriptors = {};  ///< of OpenNodes; before `on_result`
};
using RunTask = std::function<void(Task, TaskCallbacks)>;

/// A worker that is there for one operation alone, from its acceptance until the last copy of the function is gone. It
/// is given one task at a time. TooBusy is never the result of a task; one that dies is replaced.
using OpenLane = std::function<sysfs::Result<RunTask>()>;

template <class Work>
using OnResult = std::function<void(ResultOf<Work>)>;

/// TaskCallbacks::on_result for who knows what was asked.
template <class Work>
std::function<void(TaskResult)> on_result_of(std::type_identity_t<OnResult<Work>> done) {
  return [done = std::move(done)](TaskResult result) { done(result_to<Work>(std::move(result))); };
}

/// For who waits no longer than the deadline: `done` gets, once, the result or Overdue with the sentence `too_late`. A
/// result that comes later is dropped.
TaskCallbacks within_deadline(std::string too_late, std::function<void(TaskResult)> done);

/// The same for who knows what was asked.
template <class Work>
TaskCallbacks within_deadline_of(std::string too_late, std::type_identity_t<OnResult<Work>> done) {
  return within_deadline(std::move(too_late), on_result_of<Work>(std::move(done)));
}

/// Has the work done for one who waits no longer than the deadline.
template <class Work>
void ask(const RunTask& run_task, Work work, Asker asker, std::string too_late,
         std::type_identity_t<OnResult<Work>> done) {
  run_task({std::move(work), std::move(asker)}, within_deadline_of<Work>(std::move(too_late), std::move(done)));
}

}  // namespace devbindd::handoff
