// SPDX-License-Identifier: Apache-2.0
// Vital product data: what the maker wrote into a card about itself, its serial number among it. Pure: from the bytes
// of the `vpd` attribute, whose read may take seconds (a worker does it, only when asked for).
#pragma once

#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace devbindd::sysfs {

struct VitalProductData {
  std::optional<std::string> name;                          ///< identifier string
  std::vector<std::pair<std::string, std::string>> fields;  ///< "PN" part number, "SN" serial number, "EC", "V0", ...
  std::vector<std::string> problems;                        ///< what ended the data early

  bool operator==(const VitalProductData&) const = default;
};

/// Reads the tags up to the end tag: the identifier string and the fields of the read-only part. Text that is not
/// printable ASCII is escaped as \xNN. Source: PCI Local Bus 3.0, appendix I; drivers/pci/vpd.c.
VitalProductData parse_vital_product_data(std::span<const std::byte> bytes);

/// "PN" is "part_number"; "" for a keyword that the specification does not name.
std::string_view vital_product_keyword(std::string_view keyword);

}  // namespace devbindd::sysfs
