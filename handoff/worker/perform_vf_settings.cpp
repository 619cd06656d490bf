// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cerrno>

#include "handoff/worker/performers.hpp"
#include "sysfs/device/device.hpp"
#include "sysfs/kernel/paths.hpp"

namespace devbindd::handoff {
namespace {

// The network interface that knows of the PF's VFs: where it has several (representors, ports), the first that does. ""
// when there is none in the worker's namespace.
sysfs::Result<std::string> interface_of(const Kernel& kernel, const sysfs::PciAddress& physical) {
  const auto names = kernel.tree.list(sysfs::paths::attribute(physical, "net"));
  if (names && names->size() > 1) {
    for (const auto& name : *names) {
      const auto settings = kernel.vf_settings.read(name);
      if (settings && !settings->empty()) return name;
    }
  }
  if (names) return names->empty() ? std::string{} : names->front();
  if (names.error().errno_value == ENOENT) return std::string{};
  return std::unexpected(names.error());
}

}  // namespace

ResultOf<ReadVfSettings> perform(const Kernel& kernel, const ReadVfSettings& task) {
  const auto physical = sysfs::read_device(kernel.tree, task.physical);
  if (!physical) return std::unexpected(physical.error());
  const auto interface = interface_of(kernel, task.physical);
  if (!interface) return std::unexpected(interface.error());
  // What cannot be set again is not promised.
  if (!kernel.vf_settings.may_set()) {
    return sysfs::fail(sysfs::ErrorCode::Kernel,
                       "to set them again devbindd needs CAP_NET_ADMIN, which it does not have", EPERM);
  }
  if (interface->empty()) {
    return sysfs::fail(
        sysfs::ErrorCode::Kernel,
        "there is no network interface of " + sysfs::to_string(task.physical) + " in devbindd's network namespace",
        ENXIO);
  }
  const auto settings = kernel.vf_settings.read(*interface);
  if (!settings) return std::unexpected(settings.error());
  ReadVfSettings::Answer found;
  for (unsigned index = 0; index < physical->virtfns.size(); ++index) {
    const auto known = settings->find(index);
    if (known != settings->end()) found.emplace(physical->virtfns[index], known->second);
  }
  return found;
}

sysfs::Result<> set_vf_settings(const Kernel& kernel, const sysfs::Step& step) {
  const auto settings = sysfs::vf_settings_from(step.argument);
  if (!step.address || !settings) return malformed("VF settings");
  const auto function = sysfs::read_device(kernel.tree, *step.address);
  if (!function) return std::unexpected(function.error());
  const auto physical =
      function->physfn ? sysfs::read_device(kernel.tree, *function->physfn) : malformed("virtual function");
  if (!physical) return std::unexpected(physical.error());
  const auto interface = interface_of(kernel, physical->address);
  if (!interface) return std::unexpected(interface.error());
  const auto place = std::ranges::find(physical->virtfns, *step.address);
  if (interface->empty() || place == physical->virtfns.end()) {
    return sysfs::fail(sysfs::ErrorCode::Kernel,
                       "there is no network interface to set " + sysfs::to_string(*step.address) + " through", ENXIO);
  }
  return kernel.vf_settings.set(*interface, static_cast<unsigned>(place - physical->virtfns.begin()), *settings);
}

}  // namespace devbindd::handoff
