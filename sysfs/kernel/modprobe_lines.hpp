// SPDX-License-Identifier: Apache-2.0
// The files of modprobe.d line by line, as libkmod reads them. What is in force is libkmod's to say
// (kernel_module.hpp); this says in which file and line it stands, which libkmod does not.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "sysfs/kernel/tree.hpp"

namespace devbindd::sysfs {

/// One line that libkmod takes; a line that it ignores as bad is none.
struct ModprobeLine {
  std::string file;       ///< "/etc/modprobe.d/vfio.conf"
  unsigned number = 0;    ///< from 1; of a continued line the first
  std::string command;    ///< "options", "blacklist", "install", "remove", "alias", "softdep"
  std::string module;     ///< with underscores; of an alias its name, which may be a pattern, as of an install command
  std::string arguments;  ///< the rest of the line, without the blanks around it

  bool operator==(const ModprobeLine&) const = default;
};

/// "/etc/modprobe.d/vfio.conf line 3".
std::string place_of(const ModprobeLine& line);

/// The lines of all files of modprobe.d in the order in which libkmod takes them: by the files' names, whatever their
/// directories; a file hides those of its name in the later directories. What cannot be read is left out.
/// Source: modprobe.d(5); libkmod/libkmod-config.c, kmod_config_new.
std::vector<ModprobeLine> read_modprobe_lines(const Tree& tree);

/// The lines of one file. A backslash goes, and takes the end of the line behind it along.
/// Source: libkmod/libkmod-config.c, kmod_config_parse; shared/util.c, freadline_wrapped.
std::vector<ModprobeLine> parse_modprobe_file(const std::string& file, std::string_view content);

}  // namespace devbindd::sysfs
