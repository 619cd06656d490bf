// SPDX-License-Identifier: Apache-2.0
#include <cerrno>

#include "handoff/worker/performers.hpp"
#include "sysfs/device/device.hpp"
#include "vfio/group_device.hpp"
#include "vfio/nodes.hpp"

namespace devbindd::handoff {
namespace {

sysfs::Result<> set_vf_token(const Kernel& kernel, const sysfs::Step& step) {
  if (!step.address) return malformed("VF token");
  const auto device = sysfs::read_device(kernel.tree, *step.address);
  if (!device) return std::unexpected(device.error());
  const auto nodes = vfio::nodes_of(kernel.tree, *device);
  if (!nodes) return std::unexpected(nodes.error());
  if (!nodes->group) {
    return sysfs::fail(sysfs::ErrorCode::Kernel, "there is no group node for " + sysfs::to_string(*step.address),
                       ENOENT);
  }
  return vfio::set_vf_token(kernel.ioctl, nodes->group->path, sysfs::to_string(*step.address), step.argument);
}

sysfs::Result<sysfs::StepOutcome> done_or_error(const sysfs::Result<>& result) {
  if (!result) return std::unexpected(result.error());
  return sysfs::StepOutcome::Done;
}

}  // namespace

ResultOf<PerformStep> perform(const Kernel& kernel, const PerformStep& task) {
  const auto& step = task.step;
  if (step.kind == sysfs::StepKind::LoadModule)
    return done_or_error(sysfs::load_module(kernel.tree, kernel.modules, step.argument));
  if (step.kind == sysfs::StepKind::SetVfToken) return done_or_error(set_vf_token(kernel, step));
  if (step.kind == sysfs::StepKind::SetVfSettings) return done_or_error(set_vf_settings(kernel, step));
  return sysfs::perform(kernel.tree, step);
}

}  // namespace devbindd::handoff
