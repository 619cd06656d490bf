// SPDX-License-Identifier: Apache-2.0
// The rows of the journal, made of values and read back. What is not JSON of this version is told, and never passed on.
#pragma once

#include <expected>
#include <optional>
#include <string>
#include <vector>

#include "handoff/journal/journal.hpp"
#include "handoff/model/audit.hpp"
#include "handoff/model/claim.hpp"
#include "handoff/model/cordon.hpp"
#include "handoff/model/operation.hpp"
#include "sysfs/kernel/pci_address.hpp"

namespace devbindd::handoff {

OperationRow row_of(const Operation& operation);
/// Error: what is wrong with the row, without the end of a sentence.
std::expected<Operation, std::string> operation_of(const OperationRow& row);

/// `devices`: those that were changed, or that a refused request named.
AuditRow row_of(const AuditEntry& entry, const std::vector<sysfs::PciAddress>& devices);
/// The line of a claim, which lists its devices.
AuditRow row_of_claim(const AuditEntry& entry, const std::vector<sysfs::PciAddress>& devices);

/// `state`: by which the journal sorts them.
ClaimRow row_of(const Claim& claim, std::string state);
/// nullopt for a row that is not one of a claim.
std::optional<Claim> claim_of(const ClaimRow& row);

CordonRow row_of(const sysfs::PciAddress& address, const Cordon& cordon);
/// nullopt for a document that this version does not understand.
std::optional<Cordon> cordon_of(const CordonRow& row);

}  // namespace devbindd::handoff
