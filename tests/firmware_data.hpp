// SPDX-License-Identifier: Apache-2.0
// The firmware tables of tests/data/firmware, as bytes and, once read, as text.
#pragma once

#include <string>
#include <vector>

#include "sysfs/firmware/firmware_structure.hpp"

namespace devbindd::tests {

/// The bytes of tests/data/firmware/NAME.hex: hexadecimal, lines with '#' are comments. "" for a file that is not
/// there.
std::string firmware_bytes(const std::string& name);

/// All names there, "dmar_dell" and others; the part before '_' is the table's kind.
const std::vector<std::string>& firmware_names();

/// The tables of one host that has only this one.
sysfs::FirmwareTables tables_of(const std::string& name, const std::string& bytes);

/// Everything that is read of it, one line for each header, problem, structure, scope and memory.
std::string summary_of(const sysfs::FirmwareTables& tables);

}  // namespace devbindd::tests
