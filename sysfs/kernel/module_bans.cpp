// SPDX-License-Identifier: Apache-2.0
#include "sysfs/kernel/module_bans.hpp"

#include <fnmatch.h>

#include <algorithm>
#include <array>

namespace devbindd::sysfs {
namespace {

constexpr std::size_t most_command_line_bytes = 1U << 16U;

bool fits(const std::string& pattern, const std::string& name) {
  return ::fnmatch(pattern.c_str(), name.c_str(), 0) == 0;
}

std::string text_of(const ModprobeLine& line) {
  return line.command + " " + line.module + (line.arguments.empty() ? "" : " " + line.arguments);
}

bool points_elsewhere(const ModprobeLine& alias, const std::string& name) {
  auto target = alias.arguments.substr(0, alias.arguments.find_first_of(" \t"));
  std::ranges::replace(target, '-', '_');
  return target != name;
}

void add_lines(const std::vector<ModprobeLine>& lines, const std::string& name, std::vector<ModuleBan>& bans) {
  bool install_seen = false;
  for (const auto& line : lines) {
    if (line.command == "blacklist" && line.module == name)
      bans.push_back({BanKind::Blacklist, text_of(line), place_of(line)});
    if (line.command == "alias" && fits(line.module, name) && points_elsewhere(line, name))
      bans.push_back({BanKind::Alias, text_of(line), place_of(line)});
    if (line.command != "install" || install_seen || !fits(line.module, name)) continue;
    install_seen = true;
    if (is_idle_command(line.arguments)) bans.push_back({BanKind::InstallCommand, text_of(line), place_of(line)});
  }
}

}  // namespace

std::string to_string(const ModuleBan& ban) { return ban.text + " (" + ban.place + ")"; }

std::vector<ModuleBan> module_bans(const std::vector<ModprobeLine>& lines, const std::vector<BootParameter>& parameters,
                                   std::string_view module) {
  std::vector<ModuleBan> bans;
  add_lines(lines, std::string(module), bans);
  for (const auto& parameter : parameters) {
    if (!has_option(parameter, module)) continue;
    if (parameter.name == "modprobe.blacklist")
      bans.push_back({BanKind::BootBlacklist, to_string(parameter), "kernel command line"});
    if (parameter.name == "module_blacklist")
      bans.push_back({BanKind::KernelBlacklist, to_string(parameter), "kernel command line"});
  }
  return bans;
}

std::vector<ModuleBan> module_bans(const Tree& tree, std::string_view module) {
  return module_bans(read_modprobe_lines(tree),
                     parse_command_line(tree.read("proc/cmdline", most_command_line_bytes).value_or("")), module);
}

bool is_idle_command(std::string_view command) {
  command.remove_prefix(std::min(command.find_first_not_of(" \t"), command.size()));
  auto word = command.substr(0, command.find_first_of(" \t;"));
  if (const auto slash = word.rfind('/'); slash != std::string_view::npos) word.remove_prefix(slash + 1);
  constexpr std::array<std::string_view, 5> idle{"false", "true", ":", "nologin", "exit"};
  return std::ranges::find(idle, word) != idle.end();
}

}  // namespace devbindd::sysfs
