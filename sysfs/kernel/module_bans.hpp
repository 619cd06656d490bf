// SPDX-License-Identifier: Apache-2.0
// What keeps modprobe from loading a module that is there, and where that stands.
// Not here: whether it is so at all, which libkmod says (kernel_module.hpp), and what to do about it.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "sysfs/kernel/command_line.hpp"
#include "sysfs/kernel/modprobe_lines.hpp"

namespace devbindd::sysfs {

enum class BanKind {
  Blacklist,        ///< modprobe.d: `blacklist NAME`, which holds for automatic loading alone
  InstallCommand,   ///< modprobe.d: `install NAME /bin/true`, which holds for every modprobe
  Alias,            ///< modprobe.d: `alias NAME off`: the name means something else
  BootBlacklist,    ///< kernel command line: modprobe.blacklist=NAME, as a blacklist line
  KernelBlacklist,  ///< kernel command line: module_blacklist=NAME, by which the kernel refuses it (EPERM)
};

struct ModuleBan {
  BanKind kind = BanKind::Blacklist;
  std::string text;   ///< "blacklist vfio_pci"
  std::string place;  ///< "/etc/modprobe.d/vfio.conf line 3", "kernel command line"

  bool operator==(const ModuleBan&) const = default;
};

/// "blacklist vfio_pci (/etc/modprobe.d/vfio.conf line 3)".
std::string to_string(const ModuleBan& ban);

/// All that keep `module` (with underscores) from being loaded. On the kernel command line only the name with
/// underscores counts. Source: libkmod/libkmod-module.c, kmod_module_get_install_commands (the first that fits),
/// kmod_module_apply_filter; libkmod/libkmod-config.c, kcmdline_parse_result; kernel/module/main.c, blacklisted.
std::vector<ModuleBan> module_bans(const std::vector<ModprobeLine>& lines, const std::vector<BootParameter>& parameters,
                                   std::string_view module);
/// The same of this host.
std::vector<ModuleBan> module_bans(const Tree& tree, std::string_view module);

/// Whether an install command loads nothing: /bin/true, /bin/false, ":", "exit 0", nologin.
bool is_idle_command(std::string_view command);

}  // namespace devbindd::sysfs
