// SPDX-License-Identifier: Apache-2.0
#include "sysfs/kernel/processor_share.hpp"

#include <sys/resource.h>

#include <fstream>
#include <string>

namespace devbindd::sysfs {

void yield_as_thread() {
  constexpr id_t calling_thread = 0;
  ::setpriority(PRIO_PROCESS, calling_thread, a_tenth);
}

void yield_as_session(pid_t leader, int nice) {
  ::setpriority(PRIO_PROCESS, static_cast<id_t>(leader), nice);
  std::ofstream("/proc/" + std::to_string(leader) + "/autogroup") << nice;
}

}  // namespace devbindd::sysfs
