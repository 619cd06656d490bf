// SPDX-License-Identifier: Apache-2.0
#include "handoff/worker/permit_check.hpp"

#include <algorithm>
#include <cerrno>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <variant>

#include "handoff/worker/performers.hpp"
#include "sysfs/kernel/driver_name.hpp"
#include "sysfs/kernel/fields.hpp"
#include "sysfs/kernel/paths.hpp"
#include "vfio/node_name.hpp"

namespace devbindd::handoff {
namespace {

using sysfs::StepKind;

// --- the form

bool is_driver(const std::string& name) { return sysfs::DriverName::parse(name).has_value(); }

bool has_form(const sysfs::Step& step) {
  switch (step.kind) {
    case StepKind::LoadModule: return !step.address;
    case StepKind::SetOverride:
    case StepKind::Unbind:
    case StepKind::Bind: return step.address && is_driver(step.argument);
    case StepKind::AddId:
    case StepKind::RemoveId: {
      const auto change = sysfs::id_change_of(step);
      return change && is_driver(change->driver);
    }
    case StepKind::SetAutoprobe: return step.address && (step.argument == "0" || step.argument == "1");
    case StepKind::SetNumVfs: return step.address && sysfs::number_from<std::uint16_t>(step.argument).has_value();
    case StepKind::ClearOverride:
    case StepKind::Probe:
    case StepKind::SetVfToken:
    case StepKind::SetVfSettings:
    case StepKind::Reset: break;
  }
  return step.address.has_value();
}

// "config", "power/runtime_status": of the device's directory, and nowhere else.
bool is_attribute(const std::string& name) {
  return !name.empty() && name.size() <= 128 && !name.starts_with('/') && name.find("..") == std::string::npos;
}

bool has_form(const std::string& path) { return vfio::node_named(path).has_value(); }

template <class Work>
bool has_form_of(const Work& work) {
  if constexpr (std::is_same_v<Work, PerformStep>) return has_form(work.step);
  if constexpr (std::is_same_v<Work, ReadAttributes>) return std::ranges::all_of(work.names, is_attribute);
  if constexpr (std::is_same_v<Work, ChangeAccess> || std::is_same_v<Work, FindAccess>) return has_form(work.path);
  if constexpr (std::is_same_v<Work, OpenNodes>)
    return std::ranges::all_of(work.paths, [](const auto& path) { return has_form(path); });
  if constexpr (std::is_same_v<Work, ProbeVfio>)
    return has_form(work.query.node) && sysfs::parse_pci_address(work.query.address).has_value();
  if constexpr (std::is_same_v<Work, RaiseLockedMemory>) return work.pid > 0;
  return true;
}

// --- the permit

std::unexpected<sysfs::Error> not_permitted(const std::string& what) {
  return sysfs::fail(sysfs::ErrorCode::Kernel,
                     "the worker refuses to " + what + ": no accepted operation, claim or probe names it", EPERM);
}

class Check {
 public:
  Check(const Kernel& kernel, const Permits& permits) : kernel_(kernel), permits_(permits) {}

  sysfs::Result<> of(const PerformStep& task) const {
    const auto& step = task.step;
    const auto name = std::string(sysfs::name_of(step.kind));
    if (step.kind == StepKind::LoadModule) {
      const bool may = !permits_.devices().empty() && sysfs::is_pci_module(kernel_.modules, step.argument);
      return may ? sysfs::Result<>() : not_permitted("load module " + step.argument);
    }
    if (const auto change = sysfs::id_change_of(step)) {
      return permits_.has_id(change->id) ? sysfs::Result<>() : not_permitted(name + " " + step.argument);
    }
    if (step.address && has_device(*step.address)) return {};
    return not_permitted(name + " " + (step.address ? sysfs::to_string(*step.address) : step.argument));
  }
  sysfs::Result<> of(const ChangeAccess& task) const {
    return task.change == AccessChange::Revoke ? sysfs::Result<>() : of_node(task.path);
  }
  sysfs::Result<> of(const OpenNodes& task) const {
    for (const auto& path : task.paths) {
      if (auto done = of_node(path); !done) return done;
    }
    return {};
  }
  sysfs::Result<> of(const ProbeVfio& task) const {
    const auto address = sysfs::parse_pci_address(task.query.address);
    if (!address || !has_device(*address)) return not_permitted("probe " + task.query.address);
    return of_node(task.query.node);
  }
  sysfs::Result<> of(const RaiseLockedMemory& task) const {
    if (!permits_.devices().empty()) return {};
    return not_permitted("raise the locked memory of process " + std::to_string(task.pid));
  }
  template <class Work>
  sysfs::Result<> of(const Work&) const {
    return {};
  }

 private:
  // A VF belongs to the operation on its PF: it comes while that runs.
  bool has_device(const sysfs::PciAddress& address) const {
    if (permits_.has_device(address)) return true;
    const auto physical = sysfs::link_name(kernel_.tree, sysfs::paths::attribute(address, "physfn"));
    if (!physical || !*physical) return false;
    const auto parent = sysfs::parse_pci_address(**physical);
    return parent && permits_.has_device(*parent);
  }

  sysfs::Result<> of_node(const std::string& path) const {
    const auto node = vfio::node_named(path);
    const bool may = node && (node->kind == vfio::NodeName::Kind::Shared  ? !permits_.devices().empty()
                              : node->kind == vfio::NodeName::Kind::Group ? has_member(node->number)
                                                                          : has_vfio_device(node->number));
    return may ? sysfs::Result<>() : not_permitted("open " + path);
  }

  bool has_member(std::uint32_t group) const {
    const auto members = kernel_.tree.list("sys/kernel/iommu_groups/" + std::to_string(group) + "/devices");
    return members && std::ranges::any_of(*members, [this](const std::string& name) {
             const auto address = sysfs::parse_pci_address(name);
             return address && has_device(*address);
           });
  }

  bool has_vfio_device(std::uint32_t number) const {
    const auto name = "vfio-dev/vfio" + std::to_string(number);
    return std::ranges::any_of(permits_.devices(), [&](const sysfs::PciAddress& address) {
      const auto status = kernel_.tree.status(sysfs::paths::attribute(address, name));
      return status && status->has_value();
    });
  }

  const Kernel& kernel_;
  const Permits& permits_;
};

}  // namespace

sysfs::Result<> check_form(const TaskWork& work) {
  const bool good = std::visit([](const auto& task) { return has_form_of(task); }, work);
  return good ? sysfs::Result<>() : malformed("a name in it has not the form that it must have");
}

sysfs::Result<> check_permitted(const Kernel& kernel, const Permits& permits, const TaskWork& work) {
  return std::visit([&](const auto& task) { return Check(kernel, permits).of(task); }, work);
}

}  // namespace devbindd::handoff
