// SPDX-License-Identifier: Apache-2.0
// What a worker process can be asked to do: everything that may block in the kernel. One task is one request and one
// answer. Not here: processes (worker_pool.hpp) and what the tasks are for (plan.hpp, engine.hpp).
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "handoff/model/asker.hpp"
#include "handoff/usage/usage.hpp"
#include "sysfs/config_space/config_space.hpp"
#include "sysfs/device/vf_settings.hpp"
#include "sysfs/kernel/file_descriptor.hpp"
#include "sysfs/kernel/kernel_module.hpp"
#include "sysfs/kernel/locked_memory.hpp"
#include "sysfs/kernel/step.hpp"
#include "sysfs/use/alternative_names.hpp"
#include "vfio/holders.hpp"
#include "vfio/ioctl.hpp"
#include "vfio/node_access.hpp"
#include "vfio/probe.hpp"

namespace devbindd::handoff {

enum class TaskKind {
  Step,            ///< perform one step; answer: "done" or "already_done"
  ReadOverrides,   ///< arguments: addresses; answer: one driver_override attribute each, "" for a vanished device
  FindHolders,     ///< arguments: address, group or "", vfio device or "", "open" or "", for each device; answer: for
                   ///< each a list (pack()) of pid, command, path, certain
  VfioFacts,       ///< answer: API version, then number and answer of each extension
  ReadAttributes,  ///< arguments: address, attribute names; answer: for each "=CONTENT", "" when absent, or "!ERRNO"
  ProbeVfio,     ///< arguments: "group" or "cdev", address, node, "no_iommu" or ""; answer: question, errno, bytes each
  ReadConfig,    ///< argument: address; answer: the bytes of `config`, and the file's size
  ReadVpd,       ///< argument: address; answer: the bytes of `vpd`
  ProbeIommu,    ///< as ProbeVfio, of the IOMMU alone
  FindUsage,     ///< arguments: local address of the caller's connection or "", addresses; answer: for each a list
                 ///< (pack()) of its usage as fields_of()
  GrantAccess,   ///< arguments: "u1000" and "g44" for users and groups, then paths of nodes below /dev
  RevokeAccess,  ///< the same
  FindOwners,    ///< arguments: "uvmm", "gkvm": users and groups by name; answer: the number of each, "" for none
  RaiseLockedMemory,  ///< arguments: pid, bytes
  ReadVfSettings,     ///< argument: address of a PF; answer: for each of its VFs the address and its settings
  OpenNodes,          ///< arguments: paths of nodes below /dev; answer: nothing but the open descriptors, one for each
  FindAccess,         ///< as GrantAccess, with one path; answer: those of the users and groups that have it already
  ReadAlternativeNames,  ///< answer: an interface and one of its alternative names, pair by pair
};

constexpr TaskKind last_task_kind = TaskKind::ReadAlternativeNames;

/// Several lists as one: the length of each before it.
std::vector<std::string> pack(const std::vector<std::vector<std::string>>& lists);
/// The inverse; none for fields that pack() does not make.
std::vector<std::vector<std::string>> unpack(const std::vector<std::string>& fields);

struct Task {
  TaskKind kind = TaskKind::Step;
  std::vector<std::string> arguments;
  Asker asker = {};  ///< not sent to the worker

  bool operator==(const Task&) const = default;
};

/// The answer's fields as the kinds above list them, or the error of the system call.
using TaskResult = sysfs::Result<std::vector<std::string>>;

Task task_for(const sysfs::Step& step);
Task task_for(const std::vector<vfio::HolderQuery>& queries);
Task task_for(const vfio::ProbeQuery& query, TaskKind kind = TaskKind::ProbeVfio);
Task task_for(TaskKind kind, const vfio::Grantees& grantees, const std::vector<std::string>& paths);
vfio::Grantees grantees_from(const std::vector<std::string>& fields);
std::vector<vfio::RawAnswer> answers_from(const std::vector<std::string>& fields);
/// Of each device that was asked for.
std::vector<std::vector<vfio::Holder>> holders_from(const std::vector<std::string>& fields);
sysfs::ConfigSpace config_from(const std::vector<std::string>& fields);
sysfs::AlternativeNames alternative_names_from(const std::vector<std::string>& fields);

/// rtnetlink, as far as settings of VFs go.
struct VfSettingsSeam {
  std::function<bool()> may_set = sysfs::may_set_vf_settings;
  std::function<sysfs::Result<std::map<unsigned, sysfs::VfSettings>>(const std::string&)> read =
      sysfs::read_vf_settings;
  std::function<sysfs::Result<>(const std::string&, unsigned, const sysfs::VfSettings&)> set = sysfs::set_vf_settings;
};

/// The kernel as a worker sees it.
struct Kernel {
  sysfs::Tree& tree;
  const vfio::Ioctl& ioctl;
  const sysfs::ModuleIndex& modules;
  UsageSeams usage = real_usage_seams();
  vfio::NodeAccess access = {};
  std::function<sysfs::Result<>(std::int32_t, std::uint64_t)> raise_locked_memory = sysfs::raise_locked_memory;
  VfSettingsSeam vf_settings = {};
  std::function<sysfs::Result<sysfs::AlternativeNames>()> alternative_names = sysfs::read_alternative_names;
};

/// Performs the task. Blocks as long as the kernel does. `opened` gets what OpenNodes opens: all, or nothing with its
/// error. Errors: those of the functions called; Kernel with EINVAL for arguments that no daemon of this version sends.
TaskResult perform(const Kernel& kernel, const Task& task, std::vector<sysfs::FileDescriptor>& opened);

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

/// For who waits no longer than the deadline: `done` gets, once, the result or Overdue with the sentence `too_late`. A
/// result that comes later is dropped.
TaskCallbacks within_deadline(std::string too_late, std::function<void(const TaskResult&)> done);

}  // namespace devbindd::handoff
