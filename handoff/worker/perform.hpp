// SPDX-License-Identifier: Apache-2.0
// Performs a task inside a worker process. Not here: the tasks (tasks.hpp), the process (worker.hpp).
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "handoff/usage/usage.hpp"
#include "handoff/worker/task.hpp"
#include "sysfs/device/vf_netlink.hpp"
#include "sysfs/kernel/file_descriptor.hpp"
#include "sysfs/kernel/kernel_module.hpp"
#include "sysfs/kernel/locked_memory.hpp"
#include "sysfs/use/alternative_names.hpp"
#include "vfio/ioctl.hpp"
#include "vfio/node_access.hpp"

namespace devbindd::handoff {

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
/// error. Errors: those of the functions called; Kernel with EINVAL for what no daemon of this version asks for.
TaskResult perform(const Kernel& kernel, const Task& task, std::vector<sysfs::FileDescriptor>& opened);

}  // namespace devbindd::handoff
