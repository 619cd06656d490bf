// SPDX-License-Identifier: Apache-2.0
// The members of a selector that a text stands for, with one grammar for bodies, the configuration and queries: hex in
// either case with or without 0x, several values as a list. Not here: the members that are no such texts
// (selector_body.hpp).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/http/json_body.hpp"
#include "api/http/query.hpp"
#include "handoff/model/selector.hpp"

namespace devbindd::api {

struct SelectorField {
  std::string name;
  std::string rule;  ///< a sentence: what a value must be
  /// Whether JSON may have numbers there.
  bool number = false;
  /// Adds a value; false: the text stands for none.
  bool (*take)(handoff::Selector& selector, const std::string& text) = nullptr;
};

/// vendor, device, subsystem_vendor, subsystem_device, class, category, driver, numa_node, iommu_group, physfn,
/// address.
const std::vector<SelectorField>& selector_fields();

constexpr std::size_t max_alternatives = 64;  ///< values of one member

/// Reads those members of a body: a value, or an array of values of which one must be the device's.
void read_selector_fields(BodyReader& body, handoff::Selector& selector);

/// Reads them as parameters: repeated, or with commas between the values.
void read_selector_fields(QueryReader& query, handoff::Selector& selector);

/// "8086", "0x10DE": four hex digits in either case.
std::optional<std::uint16_t> id_named(std::string_view text);
constexpr std::string_view id_rule = "an ID is four hex digits, such as 8086 or 0x8086";

}  // namespace devbindd::api
