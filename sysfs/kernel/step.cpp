// SPDX-License-Identifier: Apache-2.0
#include "sysfs/kernel/step.hpp"

#include <array>
#include <cerrno>
#include <utility>

#include "sysfs/kernel/paths.hpp"

namespace devbindd::sysfs {
namespace {

constexpr std::array kind_names = {
    std::pair{StepKind::LoadModule, std::string_view("load_module")},
    std::pair{StepKind::SetOverride, std::string_view("set_override")},
    std::pair{StepKind::ClearOverride, std::string_view("clear_override")},
    std::pair{StepKind::Unbind, std::string_view("unbind")},
    std::pair{StepKind::Bind, std::string_view("bind")},
    std::pair{StepKind::Probe, std::string_view("probe")},
    std::pair{StepKind::AddId, std::string_view("add_id")},
    std::pair{StepKind::RemoveId, std::string_view("remove_id")},
    std::pair{StepKind::SetAutoprobe, std::string_view("set_autoprobe")},
    std::pair{StepKind::SetVfToken, std::string_view("set_vf_token")},
    std::pair{StepKind::SetVfSettings, std::string_view("set_vf_settings")},
    std::pair{StepKind::SetNumVfs, std::string_view("set_numvfs")},
    std::pair{StepKind::Reset, std::string_view("reset")},
};

// "vfio-pci 8086 10d3": the driver's name may hold blanks, the ID is the last nine characters.
constexpr std::size_t id_length = 9;

std::string id_driver(const std::string& argument) {
  return argument.size() > id_length + 1 ? argument.substr(0, argument.size() - id_length - 1) : argument;
}

std::string id_value(const std::string& argument) {
  return argument.size() > id_length + 1 ? argument.substr(argument.size() - id_length) : std::string{};
}

std::string driver_path(const std::string& driver, std::string_view file) {
  return "/" + paths::drivers + "/" + driver + "/" + std::string(file);
}

bool bound_to(const Tree& tree, const PciAddress& address, const std::string& driver) {
  const auto name = link_name(tree, paths::attribute(address, "driver"));
  return name && *name && **name == driver;
}

ErrnoMeaning bind_meaning(const Step& step, int errno_value) {
  const auto name = DriverName::parse(step.argument);
  const bool vfio = name && is_vfio_driver(*name);
  switch (errno_value) {
    case ENODEV:
      return {
          "The driver does not take this device: its ID table does not list it, the device's driver_override names "
          "another driver, or the probe found no such hardware.",
          "Check that the driver supports the device (candidates in GET /v1/devices/{bdf}) and that driver_override "
          "is empty or names this driver."};
    case EBUSY:
      return {"The device is already bound, its IOMMU group is in use through VFIO, or it is a PF with VFs enabled.",
              "Look at the group's holders, close the VFIO user, or set the number of VFs to 0 first."};
    case EINVAL:
      if (vfio) {
        return {
            "vfio-pci refuses the device: it has no IOMMU group (no IOMMU, or not turned on), it is a bridge, it "
            "stands "
            "on vfio-pci's denylist, or its IOMMU is not cache coherent.",
            "Turn the IOMMU on in firmware and kernel command line; the kernel log lines say which of these it is."};
      }
      return {"The driver's probe rejected the device or its settings.", "Read the kernel log lines of the device."};
    case EAGAIN: return {"The driver deferred its probe: something it needs is not there yet.", "Try again later."};
    case EIO:
    case ETIMEDOUT:
      return {"The device did not answer the driver's probe as it should.",
              "Read the kernel log lines of the device; a reset or a power cycle may be needed."};
    case ENOMEM: return {"The kernel had no memory for the driver's probe.", "Free memory and try again."};
    case ENOENT: return {"The driver is not registered (its module is not loaded).", "Load the driver's module."};
    default: return {"The driver's probe failed.", "Read the kernel log lines of the device."};
  }
}

// Source: drivers/base/bus.c unbind_store.
ErrnoMeaning unbind_meaning(int errno_value) {
  if (errno_value == ENODEV) {
    return {"The device is gone, or no longer bound to this driver: somebody else changed it meanwhile.",
            "Read the device again and repeat the request."};
  }
  return {"The kernel did not unbind the device.", "Read the kernel log lines of the device."};
}

ErrnoMeaning override_meaning(int errno_value) {
  if (errno_value == ENOENT || errno_value == ENODEV) {
    return {"The device is gone or not where it was to be, or this kernel has no driver_override.",
            "Read the device again."};
  }
  return {"The kernel did not take the driver_override.", "Read the kernel log lines of the device."};
}

// Source: drivers/pci/pci-sysfs.c sriov_numvfs_store, drivers/pci/iov.c sriov_enable.
ErrnoMeaning numvfs_meaning(int errno_value) {
  switch (errno_value) {
    case ENOENT:
      return {
          "The driver of the physical function does not do SR-IOV (vfio-pci does with its parameter enable_sriov), or "
          "there is none.",
          "Bind the physical function to a driver that does."};
    case ERANGE: return {"The device cannot have so many virtual functions.", "Ask for no more than total_vfs."};
    case EBUSY:
      return {"The device has virtual functions already: somebody else set their number meanwhile.",
              "Read the device again and repeat the request."};
    case ENOMEM:
      return {"There is no room for the virtual functions' memory or bus numbers below their bridge.",
              "Ask for fewer, or let the firmware or pci=realloc on the kernel command line give the bridge more."};
    default:
      return {"The driver or the device did not take the number of virtual functions.",
              "Read the kernel log lines of the device."};
  }
}

// Source: drivers/pci/pci-sysfs.c reset_store, drivers/pci/pci.c __pci_reset_function_locked.
ErrnoMeaning reset_meaning(int errno_value) {
  switch (errno_value) {
    case ENOENT:
    case ENOTTY:
      return {"The device has no reset that the kernel can do for it alone.",
              "Look at reset_methods in GET /v1/devices/{bdf}: somebody may have emptied them."};
    default:
      return {"The device did not come back from its reset as it should.",
              "Read the kernel log lines of the device; it may need a power cycle."};
  }
}

// Source: net/core/rtnetlink.c do_setvfinfo; the rest is the driver's own choice.
ErrnoMeaning vf_settings_meaning(int errno_value) {
  switch (errno_value) {
    case EPERM:
      return {"devbindd may not set what a virtual function had: that takes CAP_NET_ADMIN.",
              "Run it under the shipped devbindd.service."};
    case ENXIO:
    case ENOENT:
      return {"The physical function has no network interface in devbindd's namespace any more, or knows no such VF.",
              "Read the device again."};
    default:
      return {"The driver of the physical function did not take the settings of its virtual function.",
              "Read the kernel log lines of the device, and set them by hand (ip link set dev ... vf ...)."};
  }
}

}  // namespace

std::string_view name_of(StepKind kind) {
  for (const auto& [known, name] : kind_names) {
    if (known == kind) return name;
  }
  return "unknown";
}

std::optional<StepKind> step_kind_named(std::string_view name) {
  for (const auto& [kind, known] : kind_names) {
    if (known == name) return kind;
  }
  return std::nullopt;
}

StepWrite write_of(const Step& step) {
  const auto address = step.address ? to_string(*step.address) : std::string{};
  const auto attribute = [&address](std::string_view name) {
    return "/" + paths::devices + "/" + address + "/" + std::string(name);
  };
  switch (step.kind) {
    case StepKind::LoadModule: return {"modprobe", step.argument};
    case StepKind::SetOverride: return {attribute("driver_override"), step.argument};
    case StepKind::ClearOverride: return {attribute("driver_override"), "\n"};
    case StepKind::Unbind: return {driver_path(step.argument, "unbind"), address};
    case StepKind::Bind: return {driver_path(step.argument, "bind"), address};
    case StepKind::Probe: return {"/sys/bus/pci/drivers_probe", address};
    case StepKind::AddId: return {driver_path(id_driver(step.argument), "new_id"), id_value(step.argument)};
    case StepKind::RemoveId: return {driver_path(id_driver(step.argument), "remove_id"), id_value(step.argument)};
    case StepKind::SetAutoprobe: return {attribute("sriov_drivers_autoprobe"), step.argument};
    case StepKind::SetVfToken: return {"VFIO_GROUP_GET_DEVICE_FD", address + " vf_token=..."};
    case StepKind::SetVfSettings: return {"RTM_SETLINK", step.argument};
    case StepKind::SetNumVfs: return {attribute("sriov_numvfs"), step.argument};
    case StepKind::Reset: return {attribute("reset"), "1"};
  }
  return {};
}

std::optional<IdChange> id_change_of(const Step& step) {
  if (step.kind != StepKind::AddId && step.kind != StepKind::RemoveId) return std::nullopt;
  if (id_value(step.argument).empty()) return std::nullopt;
  return IdChange{id_driver(step.argument), id_value(step.argument)};
}

Result<StepOutcome> perform(Tree& tree, const Step& step) {
  if (step.kind == StepKind::Bind && step.address && bound_to(tree, *step.address, step.argument)) {
    return StepOutcome::AlreadyDone;
  }
  const auto write = write_of(step);
  if (write.value.empty() || !write.path.starts_with('/')) {
    return fail(ErrorCode::Kernel, "step " + std::string(name_of(step.kind)) + " has nothing to write", EINVAL,
                write.path);
  }
  auto written = tree.write(std::string_view(write.path).substr(1), write.value);
  if (written) return StepOutcome::Done;
  if (step.kind == StepKind::AddId && written.error().errno_value == EEXIST) return StepOutcome::AlreadyDone;
  return std::unexpected(written.error());
}

ErrnoMeaning meaning_of(const Step& step, int errno_value) {
  const bool writes_sysfs = step.kind != StepKind::SetVfToken && step.kind != StepKind::SetVfSettings;
  if (writes_sysfs && (errno_value == EACCES || errno_value == EPERM || errno_value == EROFS)) {
    return {"devbindd may not write this file: it does not run as root, or its service has /sys read-only.",
            "Run it under the shipped devbindd.service."};
  }
  switch (step.kind) {
    case StepKind::Bind: return bind_meaning(step, errno_value);
    case StepKind::Unbind: return unbind_meaning(errno_value);
    case StepKind::SetOverride:
    case StepKind::ClearOverride: return override_meaning(errno_value);
    case StepKind::Probe:
      return {"The kernel could not ask its drivers about the device; a claimed IOMMU group is one cause.",
              "Close the VFIO user of the group and repeat the request."};
    case StepKind::AddId:
      return {"The driver did not take the ID.", "Use the driver_override method, which needs no ID."};
    case StepKind::RemoveId: return {"The driver does not have this ID (any more).", "Nothing: the ID is not there."};
    case StepKind::SetAutoprobe:
      return {"The kernel did not take sriov_drivers_autoprobe.", "Read the device again: it may be gone."};
    case StepKind::SetVfToken:
      return {
          "The physical function could not be opened to set the token of its virtual functions (EBUSY: its group is "
          "open; EPERM: its group is not viable).",
          "Look at the holders and the blockers of its IOMMU group."};
    case StepKind::SetVfSettings: return vf_settings_meaning(errno_value);
    case StepKind::SetNumVfs: return numvfs_meaning(errno_value);
    case StepKind::Reset: return reset_meaning(errno_value);
    case StepKind::LoadModule: return {"The module did not load.", "Run modprobe by hand and read the kernel log."};
  }
  return {};
}

}  // namespace devbindd::sysfs
