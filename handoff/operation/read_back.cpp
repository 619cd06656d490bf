// SPDX-License-Identifier: Apache-2.0
#include "handoff/operation/read_back.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdlib>

#include "sysfs/device/sriov.hpp"
#include "sysfs/kernel/paths.hpp"
#include "vfio/nodes.hpp"

namespace devbindd::handoff {
namespace {

using sysfs::ErrorCode;

std::optional<std::string> driver_text(const sysfs::Device& device) {
  return device.driver ? std::optional(device.driver->text()) : std::nullopt;
}

std::string or_none(const std::optional<std::string>& text) { return text ? "'" + *text + "'" : "no driver"; }

// new_id binds devices before their own step has its turn.
bool adds_id(const Operation& operation) {
  return std::ranges::any_of(
      operation.steps, [](const StepRecord& record) { return record.planned.step.kind == sysfs::StepKind::AddId; });
}

// The number of VFs that the undo of a change of it goes back to.
std::size_t number_before(const PlannedStep& planned) {
  const auto back = std::ranges::find(planned.undo, sysfs::StepKind::SetNumVfs, &sysfs::Step::kind);
  return back == planned.undo.end() ? 0 : std::strtoul(back->argument.c_str(), nullptr, 10);
}

std::optional<FunctionsState> functions_now(const sysfs::Tree& tree, const sysfs::Device& device) {
  const auto sriov = sysfs::read_sriov(tree, device);
  if (!sriov) return std::nullopt;
  return FunctionsState{static_cast<unsigned>(device.virtfns.size()), sriov->autoprobe};
}

std::string described(const FunctionsState& functions) {
  return std::to_string(functions.count) + " virtual functions and sriov_drivers_autoprobe " +
         (functions.autoprobe ? "on" : "off");
}

std::string described(const std::optional<FunctionsState>& functions) {
  return functions ? described(*functions) : std::string("no SR-IOV");
}

sysfs::Error instead(const std::string& found, const std::string& name, const std::string& wanted) {
  return {ErrorCode::BindFailed,
          "every write succeeded, but the kernel shows " + found + " for " + name + " instead of " + wanted};
}

// A device on a VFIO driver is of no use without a node.
std::optional<sysfs::Error> missing_node(const sysfs::Tree& tree, const sysfs::Device& device) {
  auto nodes = vfio::nodes_of(tree, device);
  if (!nodes) return nodes.error();
  if (nodes->group || nodes->cdev) return std::nullopt;
  return sysfs::Error{ErrorCode::BindFailed, sysfs::to_string(device.address) + " is bound to " +
                                                 or_none(driver_text(device)) +
                                                 ", but no node below /dev/vfio appeared"};
}

std::optional<sysfs::Error> unexpected_state(const sysfs::Tree& tree, const Transition& transition) {
  const auto name = sysfs::to_string(transition.address);
  if (!transition.there_after) {
    if (!is_there(tree, transition.address)) return std::nullopt;
    return sysfs::Error{ErrorCode::BindFailed, "every write succeeded, but " + name + " is still there"};
  }
  if (transition.kernel_chooses) return std::nullopt;  // where it comes to sit is the kernel's choice too
  const auto device = sysfs::read_device(tree, transition.address);
  if (!device) return device.error();
  if (const auto functions = functions_now(tree, *device);
      transition.functions_after && functions != transition.functions_after) {
    return instead(described(functions), name, described(transition.functions_after));
  }
  if (driver_text(*device) != transition.driver_after)
    return instead(or_none(driver_text(*device)), name, or_none(transition.driver_after));
  if (!sysfs::is_vfio_bound(*device) || transition.driver_before == transition.driver_after) return std::nullopt;
  return missing_node(tree, *device);
}

// The look at what an undo has brought back, device by device.
class Comparison {
 public:
  Comparison(const sysfs::Tree& tree, const std::set<sysfs::PciAddress>& settings_lost, Operation& operation)
      : tree_(tree), settings_lost_(settings_lost), operation_(operation), error_(*operation.error) {}

  /// `unread`: why the override is not known; else it is `driver_override`.
  void look_at(const Transition& transition, const std::optional<std::string>& driver_override,
               const std::optional<std::string>& unread) {
    const auto& address = transition.address;
    const auto device = sysfs::read_device(tree_, address);
    if (!transition.there_before) {
      if (device) differs(address, sysfs::to_string(address) + " is there now, and was not before");
      return;
    }
    if (!device) return note_unreadable(transition, device.error());
    compare(transition, *device);
    const auto of_name = "the driver_override of " + sysfs::to_string(address);
    if (unread) {
      note(error_.unknown, address, of_name + " could not be read back" + *unread);
    } else if (driver_override != transition.override_before) {
      differs(address, of_name + " is not what it was before");
    }
  }

 private:
  void note(std::vector<sysfs::PciAddress>& list, const sysfs::PciAddress& address, std::string what) {
    error_.undo_failures.push_back(std::move(what));
    if (list.empty() || list.back() != address) list.push_back(address);
  }

  void differs(const sysfs::PciAddress& address, std::string what) {
    note(error_.unrestored, address, std::move(what));
  }

  // VFs go with their PF; one that is missing under a PF that is there was not brought back.
  void note_unreadable(const Transition& transition, const sysfs::Error& problem) {
    if (problem.code != ErrorCode::DeviceNotFound) return note(error_.unknown, transition.address, problem.message);
    if (transition.remade && vanished_device(tree_, operation_).empty())
      return differs(transition.address, problem.message);
    error_.restored = false;
    error_.error.code = ErrorCode::DeviceGone;
  }

  void compare(const Transition& transition, const sysfs::Device& device) {
    const auto name = sysfs::to_string(transition.address);
    if (driver_text(device) != transition.driver_before) {
      differs(transition.address, name + " has " + or_none(driver_text(device)) + " now, and had " +
                                      or_none(transition.driver_before) + " before");
    }
    if (const auto functions = functions_now(tree_, device);
        transition.functions_before && functions != transition.functions_before) {
      differs(transition.address, name + " has " + described(functions) + " now, and had " +
                                      described(transition.functions_before) + " before");
    }
    if (settings_lost_.contains(transition.address) && transition.vf_settings_before) {
      differs(transition.address, "the settings of " + name + " are not all as they were before, which was " +
                                      *transition.vf_settings_before);
    }
  }

  const sysfs::Tree& tree_;
  const std::set<sysfs::PciAddress>& settings_lost_;
  const Operation& operation_;
  OperationError& error_;
};

}  // namespace

bool is_there(const sysfs::Tree& tree, const sysfs::PciAddress& address) {
  return sysfs::exists(tree, sysfs::paths::device(address));
}

std::string vanished_device(const sysfs::Tree& tree, const Operation& operation) {
  for (const auto& transition : operation.transitions) {
    if (!transition.remade && !is_there(tree, transition.address)) return sysfs::to_string(transition.address);
  }
  return {};
}

std::optional<sysfs::Error> misplaced_function(const sysfs::Tree& tree, const Operation& operation,
                                               const sysfs::Step& step) {
  if (step.kind != sysfs::StepKind::SetNumVfs || step.argument == "0") return std::nullopt;
  const auto device = sysfs::read_device(tree, *step.address);
  if (!device) return device.error();
  for (const auto& transition : operation.transitions) {
    if (!transition.remade || !transition.there_after || transition.kernel_chooses) continue;
    if (std::ranges::find(device->virtfns, transition.address) != device->virtfns.end()) continue;
    return sysfs::Error{ErrorCode::BindFailed,
                        "the kernel has put the virtual functions elsewhere than SR-IOV's offset and stride had said: "
                        "none is at " +
                            sysfs::to_string(transition.address)};
  }
  return std::nullopt;
}

bool took_effect(const sysfs::Tree& tree, const Operation& operation, const StepRecord& record) {
  const auto& step = record.planned.step;
  if (record.state == StepState::Done) return true;
  if (record.state == StepState::AlreadyDone)
    return step.kind != sysfs::StepKind::AddId;  // an ID of before is not ours
  if (record.state == StepState::Pending && !adds_id(operation)) return false;
  if (step.kind == sysfs::StepKind::Bind) {
    const auto driver = sysfs::link_name(tree, sysfs::paths::attribute(*step.address, "driver"));
    return driver && *driver == step.argument;
  }
  if (record.state != StepState::Failed) return false;
  // A part of them may have been set.
  if (step.kind == sysfs::StepKind::SetVfSettings) return true;
  if (step.kind == sysfs::StepKind::SetNumVfs) {
    const auto device = sysfs::read_device(tree, *step.address);
    return device && device->virtfns.size() != number_before(record.planned);
  }
  if (step.kind == sysfs::StepKind::Unbind) {
    const auto device = sysfs::read_device(tree, *step.address);
    return device && !device->driver;
  }
  return record.errno_value == ECHILD;
}

std::optional<sysfs::Error> unexpected_state(const sysfs::Tree& tree, const Operation& operation) {
  for (const auto& transition : operation.transitions) {
    if (auto error = unexpected_state(tree, transition)) return error;
  }
  return std::nullopt;
}

void note_unrestored(const sysfs::Tree& tree, const ResultOf<ReadOverrides>& overrides,
                     const std::set<sysfs::PciAddress>& settings_lost, Operation& operation) {
  auto& error = *operation.error;
  Comparison comparison(tree, settings_lost, operation);
  for (std::size_t at = 0; at < operation.transitions.size(); ++at) {
    const bool read = overrides && at < overrides->size();
    const auto unread =
        read ? std::nullopt : std::optional(overrides ? std::string{} : ": " + overrides.error().message);
    comparison.look_at(operation.transitions[at],
                       read ? sysfs::override_from_attribute((*overrides)[at]) : std::nullopt, unread);
  }
  // The end of one that is gone is clear; what is still there and not as it was is the worse news.
  if (!error.unrestored.empty()) {
    error.error.code = ErrorCode::RestoreFailed;
    error.restored = false;
  } else if (!error.unknown.empty() && error.restored == true) {
    error.error.code = ErrorCode::RestoreUnknown;
    error.restored.reset();
    error.next_step = "Look at the device again when the kernel has let go of it: GET its binding, or DELETE it.";
  }
}

}  // namespace devbindd::handoff
