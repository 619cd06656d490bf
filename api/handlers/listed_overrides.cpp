// SPDX-License-Identifier: Apache-2.0
#include "api/handlers/listed_overrides.hpp"

#include <algorithm>

#include "sysfs/kernel/driver_name.hpp"

namespace devbindd::api {

bool OverrideFilter::fits(const handoff::OverrideAnswer& driver_override) const {
  if (!*this || !driver_override) return true;
  if (!*driver_override) return none;
  return any || std::ranges::find(drivers, **driver_override) != drivers.end();
}

OverrideFilter read_override_filter(QueryReader& query) {
  OverrideFilter filter;
  for (const auto& value : query.all("driver_override")) {
    if (value == "any")
      filter.any = true;
    else if (value == "none")
      filter.none = true;
    else if (const auto name = sysfs::DriverName::parse(value))
      filter.drivers.push_back(name->text());
    else
      query.wrong("driver_override", "an override is the name of a driver, \"any\" for each, or \"none\"");
  }
  return filter;
}

}  // namespace devbindd::api
