// SPDX-License-Identifier: Apache-2.0
// What a person types to find a device: a part of its address, IDs or any name of it, or of what the kernel has made of
// it. Not here: filters by what a device is (requests/selector_fields.hpp).
#pragma once

#include <set>
#include <string>
#include <vector>

#include "api/context/context.hpp"
#include "api/http/query.hpp"
#include "sysfs/use/alternative_names.hpp"

namespace devbindd::api {

/// The values of `search`, in lower case. Mistake: invalid_value for one that is empty or longer than 128 bytes.
std::vector<std::string> read_search(QueryReader& query);

class DeviceSearch {
 public:
  /// Finds every device.
  DeviceSearch() = default;
  /// What has one of the parts. Devices that the names of disks, displays and their like lead to are found here, as
  /// they are now: no event tells all of them.
  DeviceSearch(const Context& context, std::vector<std::string> parts, sysfs::AlternativeNames alternatives);

  bool finds(const sysfs::DeviceNames& names, const sysfs::Device& device) const;

 private:
  bool is_part(const std::string& text) const;
  bool has_interface(const sysfs::Device& device) const;

  std::vector<std::string> parts_ = {};
  sysfs::AlternativeNames alternatives_ = {};
  std::set<sysfs::PciAddress> by_child_ = {};
};

}  // namespace devbindd::api
