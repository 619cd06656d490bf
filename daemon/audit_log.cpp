// SPDX-License-Identifier: Apache-2.0
#include "daemon/audit_log.hpp"

// The place in this program is none of the entry's facts.
#define SD_JOURNAL_SUPPRESS_LOCATION
#include <sys/uio.h>
#include <systemd/sd-journal.h>

#include <algorithm>

#include "api/http/plain_text.hpp"
#include "sysfs/kernel/fields.hpp"

namespace devbindd::daemon {
namespace {

constexpr std::size_t most_devices = 64;  // fields of one entry; the audit itself has all

std::string fact(const handoff::AuditRow& row, std::string_view name) {
  const auto found = std::ranges::find(row.facts, name, &std::pair<std::string_view, std::string>::first);
  return found == row.facts.end() ? std::string{} : found->second;
}

std::string caller(const handoff::AuditRow& row) {
  const auto uid = fact(row, "UID");
  return uid.empty() ? fact(row, "TRANSPORT") : "uid " + uid;
}

// "bind of 0000:05:00.0 to vfio-pci for uid 0: succeeded"
std::string message(const handoff::AuditRow& row) {
  auto text = fact(row, "KIND");
  if (!row.devices.empty()) text += " of " + sysfs::joined(row.devices, ", ");
  if (const auto driver = fact(row, "DRIVER"); !driver.empty()) text += " to " + driver;
  text += " for " + caller(row) + ": ";
  const auto event = fact(row, "EVENT");
  const auto outcome = fact(row, "OUTCOME");
  text += event == "ended" ? outcome : event == "refused" ? "refused, " + outcome : event;
  const auto detail = fact(row, "DETAIL");
  return api::one_line(detail.empty() ? text : text + ": " + detail);
}

std::string priority(const handoff::AuditRow& row) {
  const bool bad = fact(row, "EVENT") == "refused" || fact(row, "OUTCOME") == "failed";
  return bad ? "4" : "5";  // warning, notice
}

}  // namespace

std::vector<std::string> journal_fields(const handoff::AuditRow& row) {
  std::vector<std::string> fields = {"MESSAGE=" + message(row), "MESSAGE_ID=" + std::string(audit_message_id),
                                     "PRIORITY=" + priority(row), "SYSLOG_IDENTIFIER=devbindd"};
  for (const auto& [name, value] : row.facts) fields.push_back("DEVBINDD_" + std::string(name) + "=" + value);
  for (const auto& device : row.devices) {
    if (fields.size() >= most_devices) break;
    fields.push_back("DEVBINDD_DEVICE=" + device);
  }
  return fields;
}

std::string kind_of(const handoff::AuditRow& row) {
  return "audit of " + caller(row) + " " + fact(row, "EVENT") + " " + fact(row, "OUTCOME");
}

void send_to_journal(const std::vector<std::string>& fields) {
  std::vector<iovec> parts;
  parts.reserve(fields.size());
  for (const auto& field : fields) parts.push_back({const_cast<char*>(field.data()), field.size()});
  (void)::sd_journal_sendv(parts.data(), static_cast<int>(parts.size()));
}

}  // namespace devbindd::daemon
