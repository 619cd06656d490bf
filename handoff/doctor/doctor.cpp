// SPDX-License-Identifier: Apache-2.0
#include "handoff/doctor/doctor.hpp"

#include <utility>

#include "handoff/doctor/doctor_checks.hpp"

namespace devbindd::handoff {

std::string_view name_of(Verdict verdict) {
  switch (verdict) {
    case Verdict::Pass: return "pass";
    case Verdict::Warn: return "warn";
    case Verdict::Fail: break;
  }
  return "fail";
}

std::vector<Check> examine(const HostFacts& facts) {
  std::vector<Check> checks{check_kernel_version(facts), check_lockdown(facts), check_sysfs(facts), check_iommu(facts)};
  if (auto tables = check_firmware_tables(facts)) checks.push_back(std::move(*tables));
  if (facts.iommu.translates) {
    for (const auto check :
         {check_interrupt_remapping, check_default_domain, check_acs_override, check_groups, check_firmware_memory}) {
      checks.push_back(check(facts));
    }
  }
  for (const auto check : {check_modules, check_iommufd, check_blacklist, check_unsafe_interrupts, check_no_iommu,
                           check_boot_ids, check_uio, check_driverless, check_overrides, check_unbinding,
                           check_locked_memory, check_hugepages, check_damaged_rows}) {
    checks.push_back(check(facts));
  }
  return checks;
}

}  // namespace devbindd::handoff
