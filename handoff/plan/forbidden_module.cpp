// SPDX-License-Identifier: Apache-2.0
#include "handoff/plan/forbidden_module.hpp"

#include <set>

namespace devbindd::handoff {
namespace {

using sysfs::BanKind;

std::string step_against(const std::string& module, BanKind kind) {
  switch (kind) {
    case BanKind::Blacklist:
      return "Take the blacklist line out, or load the module by hand (modprobe " + module +
             "): a blacklist keeps it from automatic loading alone.";
    case BanKind::InstallCommand:
      return "Take the install line out: modprobe runs its command instead of loading the module, by hand too "
             "(modprobe "
             "--ignore-install " +
             module + " does not).";
    case BanKind::Alias: return "Take the alias line out: it makes modprobe look for something else by this name.";
    case BanKind::BootBlacklist:
      return "Take " + module +
             " out of modprobe.blacklist= on the kernel command line, or load the module by hand (modprobe " + module +
             "): a blacklist keeps it from automatic loading alone.";
    case BanKind::KernelBlacklist:
      return "Take " + module +
             " out of module_blacklist= on the kernel command line and reboot: the kernel itself refuses the module, "
             "whoever loads it.";
  }
  return {};
}

}  // namespace

std::string named(const std::vector<sysfs::ModuleBan>& bans) {
  std::string text;
  for (const auto& ban : bans) text += (text.empty() ? "" : "; ") + sysfs::to_string(ban);
  return text;
}

std::string step_against(const std::string& module, const std::vector<sysfs::ModuleBan>& bans) {
  if (bans.empty()) return "Look for the module in modprobe's configuration (modprobe --showconfig).";
  std::set<BanKind> told;
  std::string text;
  for (const auto& ban : bans) {
    if (told.insert(ban.kind).second) text += (text.empty() ? "" : " ") + step_against(module, ban.kind);
  }
  return text;
}

}  // namespace devbindd::handoff
