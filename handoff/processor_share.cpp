#include "handoff/processor_share.hpp"

#include <sys/resource.h>

#include <fstream>
#include <string>

namespace devbindd::handoff {
namespace {

constexpr int yielding = 10;
constexpr id_t calling_thread = 0;

}  // namespace

void yield_as_thread() { ::setpriority(PRIO_PROCESS, calling_thread, yielding); }

void yield_as_session(pid_t leader) {
  ::setpriority(PRIO_PROCESS, static_cast<id_t>(leader), yielding);
  std::ofstream("/proc/" + std::to_string(leader) + "/autogroup") << yielding;
}

}  // namespace devbindd::handoff
