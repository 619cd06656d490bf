// SPDX-License-Identifier: Apache-2.0
#include "handoff/doctor/doctor_checks.hpp"

#include <algorithm>

#include "sysfs/kernel/fields.hpp"

namespace devbindd::handoff {
namespace {

constexpr std::size_t most_told = 4;  ///< problems and groups that one finding tells; the others are counted

struct TableFindings {
  std::vector<std::string> there;       ///< signatures
  std::vector<std::string> unreadable;  ///< sentences
  std::vector<std::string> problems;    ///< sentences
};

template <class Table>
void look_at(const std::string& name, const std::optional<sysfs::Result<Table>>& table, TableFindings& findings) {
  if (!table) return;
  findings.there.push_back(name);
  if (!*table) {
    findings.unreadable.push_back(name + " cannot be read: " + table->error().message + ".");
    return;
  }
  for (const auto& problem : (*table)->problems)
    findings.problems.push_back(name + " at " + sysfs::hex_number(problem.offset) + ": " + problem.detail);
}

std::string told(const std::vector<std::string>& sentences) {
  const auto shown = std::min(sentences.size(), most_told);
  auto text = sysfs::joined({sentences.begin(), sentences.begin() + static_cast<std::ptrdiff_t>(shown)}, " ");
  if (sentences.size() > shown) text += " And " + std::to_string(sentences.size() - shown) + " more.";
  return text;
}

}  // namespace

std::optional<Check> check_firmware_tables(const HostFacts& facts) {
  const std::string id = "iommu.firmware_tables";
  const std::string title = "Firmware's IOMMU tables";
  TableFindings findings;
  look_at("DMAR", facts.firmware.dmar, findings);
  look_at("IVRS", facts.firmware.ivrs, findings);
  look_at("IORT", facts.firmware.iort, findings);
  look_at("VIOT", facts.firmware.viot, findings);
  if (findings.there.empty()) return std::nullopt;
  if (!findings.problems.empty()) {
    return Check{id, Verdict::Warn, title, told(findings.problems),
                 "Update the firmware: the kernel may have skipped what is malformed."};
  }
  if (!findings.unreadable.empty())
    return Check{id, Verdict::Warn, title, told(findings.unreadable),
                 "Run devbindd as root: these files are its alone."};
  return Check{id, Verdict::Pass, title, "Well-formed: " + sysfs::joined(findings.there) + ".", ""};
}

Check check_firmware_memory(const HostFacts& facts) {
  const std::string id = "iommu.firmware_memory";
  const std::string title = "Memory of the firmware";
  if (facts.refused_groups.empty())
    return {id, Verdict::Pass, title, "No group is refused for memory that the firmware goes on using.", ""};
  std::vector<std::string> sentences;
  for (const auto& [number, why] : facts.refused_groups)
    sentences.push_back("Group " + std::to_string(number) + ": " + why);
  return {
      id, Verdict::Warn, title, told(sentences),
      "Leave these devices to the host, or turn off in the firmware's settings what uses the memory (a BMC's or RAID "
      "controller's shared memory, graphics at boot, legacy USB)."};
}

}  // namespace devbindd::handoff
