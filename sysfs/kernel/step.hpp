// SPDX-License-Identifier: Apache-2.0
// The primitives that move PCI devices: one Step is one write to sysfs (or one module load). The only code that writes.
// Steps block as long as the kernel likes: they are performed by worker processes, never in the daemon.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "sysfs/kernel/driver_name.hpp"
#include "sysfs/kernel/pci_address.hpp"
#include "sysfs/kernel/tree.hpp"

namespace devbindd::sysfs {

enum class StepKind {
  LoadModule,     ///< modprobe of `argument`; no device
  SetOverride,    ///< driver_override of the device := `argument`
  ClearOverride,  ///< driver_override := none (a lone newline: sysfs swallows an empty write)
  Unbind,         ///< from the driver `argument`
  Bind,           ///< to the driver `argument`; done already counts as done
  Probe,          ///< let the kernel choose a driver (drivers_probe); "nothing matched" looks like success
  AddId,          ///< `argument` = "DRIVER VVVV DDDD": new_id
  RemoveId,       ///< `argument` = "DRIVER VVVV DDDD": remove_id
  SetAutoprobe,   ///< sriov_drivers_autoprobe of a PF := `argument`, "0" or "1"
  SetVfToken,     ///< of a PF on vfio-pci := `argument`, a UUID; no write to sysfs: vfio/group_device.hpp performs it
  SetVfSettings,  ///< of a VF := `argument`, as vf_settings.hpp writes them; by rtnetlink, through the PF's interface
  SetNumVfs,      ///< sriov_numvfs of a PF := `argument`, a number: VFs come, or all go; from n to m only by way of 0
  Reset,          ///< reset of the function, by the first of its methods that works; whoever has it open is not asked
};

struct Step {
  StepKind kind = StepKind::Bind;
  std::optional<PciAddress> address;
  std::string argument;

  bool operator==(const Step&) const = default;
};

/// "set_override", "unbind", ...: the step's name on the wire and in the journal.
std::string_view name_of(StepKind kind);
std::optional<StepKind> step_kind_named(std::string_view name);

/// The file and the value that the step writes, exactly; for a module load the modprobe command, for a VF token the
/// ioctl, without the token.
struct StepWrite {
  std::string path;  ///< absolute
  std::string value;
};
StepWrite write_of(const Step& step);

/// The kinds of outcome besides an error.
enum class StepOutcome { Done, AlreadyDone };

/// What AddId and RemoveId name.
struct IdChange {
  std::string driver;
  std::string id;  ///< "VVVV DDDD"
};
/// nullopt for any other step, and for an argument that names no ID.
std::optional<IdChange> id_change_of(const Step& step);

/// Performs one write. `Unbind` writes to drivers/<argument>/unbind and not through the device's link, so that a driver
/// that changed in between is an ENODEV and not a surprise. `Bind` first looks at the driver link (a write to an
/// already bound device is EBUSY). `AddId` of an ID that the driver already has answers AlreadyDone (EEXIST).
/// LoadModule is not performed here (kernel_module.hpp). Errors: Kernel, with the errno of the write.
Result<StepOutcome> perform(Tree& tree, const Step& step);

/// What an errno of this step means, and what to do: two sentences for a person.
/// Source: drivers/base/bus.c, dd.c; drivers/pci/pci-driver.c; drivers/vfio/pci/vfio_pci_core.c.
struct ErrnoMeaning {
  std::string meaning;
  std::string next_step;
};
ErrnoMeaning meaning_of(const Step& step, int errno_value);

}  // namespace devbindd::sysfs
