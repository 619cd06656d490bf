// SPDX-License-Identifier: Apache-2.0
#include "handoff/worker/perform.hpp"

#include <type_traits>
#include <variant>

#include "handoff/worker/performers.hpp"

namespace devbindd::handoff {

TaskResult perform(const Kernel& kernel, const Task& task, std::vector<sysfs::FileDescriptor>& opened) {
  return std::visit(
      [&]<class Work>(const Work& work) {
        if constexpr (std::is_same_v<Work, OpenNodes>) {
          return result_of<Work>(perform(kernel, work, opened));
        } else {
          return result_of<Work>(perform(kernel, work));
        }
      },
      task.work);
}

}  // namespace devbindd::handoff
