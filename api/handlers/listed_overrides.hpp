// SPDX-License-Identifier: Apache-2.0
// driver_override in the list of devices: only a worker can read it, so that it is there where it is asked for, by the
// filter of that name or as one of the `fields`.
#pragma once

#include <string>
#include <vector>

#include "api/http/query.hpp"
#include "handoff/worker/override_reader.hpp"

namespace devbindd::api {

/// The filter; what has no value matches everything.
struct OverrideFilter {
  std::vector<std::string> drivers = {};  ///< one of them must be the override
  bool any = false;                       ///< every override fits
  bool none = false;                      ///< what has no override fits

  explicit operator bool() const { return any || none || !drivers.empty(); }
  /// An override that cannot be read may be the wanted one: it fits.
  bool fits(const handoff::OverrideAnswer& driver_override) const;
};

/// `driver_override`: names of drivers, "any" or "none". Mistake: invalid_value for what is no such name.
OverrideFilter read_override_filter(QueryReader& query);

}  // namespace devbindd::api
