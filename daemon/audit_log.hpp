// SPDX-License-Identifier: Apache-2.0
// Lines of the audit for systemd's journal, as entries with fields of their own: who collects the journals of many
// hosts finds what was changed by whom without a way to their daemons. Pure. Not here: the audit itself
// (handoff/journal). Source: systemd.journal-fields(7), sd_journal_sendv(3).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "handoff/model/audit.hpp"

namespace devbindd::daemon {

/// By which such entries are found: journalctl MESSAGE_ID=...
constexpr std::string_view audit_message_id = "c3b4aaee335c4978bd21601f0ec9f6ec";

/// The fields of an entry, each "NAME=value": those of the journal, and the line's own with DEVBINDD_ before them.
std::vector<std::string> journal_fields(const handoff::AuditRow& row);

/// Lines of one kind are limited: what one user has come to in one way.
std::string kind_of(const handoff::AuditRow& row);

/// Gives the fields to the journal; where there is none nothing happens.
void send_to_journal(const std::vector<std::string>& fields);

}  // namespace devbindd::daemon
