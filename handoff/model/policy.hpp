// SPDX-License-Identifier: Apache-2.0
// One policy: which devices belong to which driver. Passive; the configuration has them. Not here: what is done about
// it (policies.hpp).
#pragma once

#include <string>
#include <vector>

#include "handoff/model/request.hpp"
#include "handoff/model/selector.hpp"

namespace devbindd::handoff {

struct Policy {
  std::string name;
  Selector selector;
  sysfs::DriverName driver;
  Scope scope = Scope::Group;
  std::optional<unsigned> vfs = {};  ///< the devices are physical functions, and `driver` is their VFs'
  std::vector<sysfs::PciAddress> exclude = {};
  Labels labels = {};  ///< of the devices, or with `vfs` of their VFs: claims select by them
};

}  // namespace devbindd::handoff
