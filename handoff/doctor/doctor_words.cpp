// SPDX-License-Identifier: Apache-2.0
#include "handoff/doctor/doctor_words.hpp"

#include <utility>

#include "sysfs/kernel/fields.hpp"

namespace devbindd::handoff {

Check passed(std::string id, std::string title, std::string detail) {
  return {std::move(id), Verdict::Pass, std::move(title), std::move(detail), ""};
}

std::string counted(std::size_t number, const std::string& noun) {
  return std::to_string(number) + " " + noun + (number == 1 ? "" : "s");
}

std::string named(const std::vector<const sysfs::Device*>& devices) {
  std::vector<std::string> names;
  for (const auto* device : devices) {
    if (names.size() == max_named) break;
    names.push_back(sysfs::to_string(device->address));
  }
  const auto more = devices.size() - names.size();
  return sysfs::joined(names) + (more == 0 ? "" : " and " + std::to_string(more) + " more");
}

}  // namespace devbindd::handoff
