// SPDX-License-Identifier: Apache-2.0
#include "sysfs/kernel/wait_channel.hpp"

#include "sysfs/kernel/lent_rights.hpp"

namespace devbindd::sysfs {

std::string wait_channel(const Tree& tree, std::int32_t pid) {
  auto channel = tree.read("proc/" + std::to_string(pid) + "/wchan").value_or("0");
  if (channel == "0") channel = lent_wait_channel(pid);
  return channel == "0" ? std::string{} : channel;
}

}  // namespace devbindd::sysfs
