// SPDX-License-Identifier: Apache-2.0
// Kernel modules of the running kernel, through libkmod: which drivers could serve a device, whether a module
// exists, is forbidden or is loaded, and loading it.
// Not here: which of the candidates to choose (handoff/), binding.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "sysfs/kernel/driver_name.hpp"
#include "sysfs/kernel/tree.hpp"

namespace devbindd::sysfs {

/// What the module index says of a module name. Names are 1 to 63 letters, digits, '-' and '_'; the last two are the
/// same, as for modprobe.
enum class ModuleState { Loaded, BuiltIn, Loadable, Blacklisted, Unknown };

/// Where the module index lives and which kernel runs; the default is the running kernel's own.
struct ModuleIndex {
  std::string directory;                  ///< "" for /lib/modules/$(uname -r)
  std::vector<std::string> config_paths;  ///< empty for libkmod's defaults (/etc/modprobe.d, ...)
  std::string systemctl = {};             ///< "" for /usr/bin/systemctl or /bin/systemctl; tests put theirs here
};

/// The modules whose `pci:` aliases match `modalias`, in libkmod's order, names with underscores, without repeats
/// that follow each other: what `lspci -k` prints as "Kernel modules". Empty when there is no module index.
/// Source: libkmod, kmod_module_new_from_lookup; modules.alias(5).
std::vector<std::string> modules_for(const ModuleIndex& index, std::string_view modalias);

/// `tree` answers whether it is loaded (sys/module/NAME). Blacklisted is also what modprobe.d sends elsewhere by an
/// alias, or answers with an install command that does nothing (/bin/false, /bin/true), and what the kernel refuses by
/// module_blacklist=; module_bans.hpp names the places.
/// Without a module index (everything built in) what is not loaded is Unknown.
/// Errors: InvalidName; Kernel when the index cannot be read and the module is not loaded.
Result<ModuleState> module_state(const Tree& tree, const ModuleIndex& index, std::string_view module);

/// Whether the module is one of a PCI driver or of VFIO, by the aliases in its file, or one of the few drivers of PCI
/// devices that have none. false for a module that is not there. Source: modinfo(8), file2alias.c.
bool is_pci_module(const ModuleIndex& index, std::string_view module);

/// What the options lines of modprobe.d give the module (with underscores) when it is loaded, each as it stands there,
/// in libkmod's order: later ones count more. Its parameters on this machine's kernel command line come last.
/// Empty where libkmod cannot be set up. Source: libkmod, kmod_config_get_options.
std::vector<std::string> module_options(const ModuleIndex& index, std::string_view module);

/// Loads `module` and waits until it is loaded. Under systemd (run/systemd/system exists) by starting
/// modprobe@MODULE.service with systemctl, so that the caller needs no CAP_SYS_MODULE; else through libkmod.
/// Blocks, possibly for long: only for worker processes.
/// Without systemd, an install command of modprobe.d is refused rather than given to a shell.
/// Errors: InvalidName, ModuleNotFound, ModuleBlacklisted, ModuleLoadFailed (errno, when init_module gave one), Kernel.
Result<> load_module(const Tree& tree, const ModuleIndex& index, std::string_view module);

/// The module that registers the PCI driver `driver`, by the naming rule '-' -> '_' (vfio-pci -> vfio_pci).
std::string module_of_driver(const DriverName& driver);

/// The userspace drivers of DPDK's dpdk-devbind.py, in its order, that are loaded or built in:
/// "igb_uio", "vfio-pci", "uio_pci_generic".
std::vector<std::string> userspace_drivers(const Tree& tree);

}  // namespace devbindd::sysfs
