// SPDX-License-Identifier: Apache-2.0
#include "handoff/worker/permit.hpp"

#include <algorithm>

namespace devbindd::handoff {

void add_to(Permit& permit, const sysfs::Step& step) {
  const auto add_once = [](auto& list, const auto& value) {
    if (std::ranges::find(list, value) == list.end()) list.push_back(value);
  };
  if (step.address) add_once(permit.devices, *step.address);
  if (const auto change = sysfs::id_change_of(step)) add_once(permit.ids, change->id);
}

}  // namespace devbindd::handoff
