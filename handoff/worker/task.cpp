// SPDX-License-Identifier: Apache-2.0
#include "handoff/worker/task.hpp"

#include <memory>

namespace devbindd::handoff {

TaskCallbacks within_deadline(std::string too_late, std::function<void(TaskResult)> done) {
  // Gone after its first use, with all that it keeps alive: the task may hang in the kernel for ever.
  const auto answer = [left = std::make_shared<std::function<void(TaskResult)>>(std::move(done))](TaskResult result) {
    if (const auto now = std::exchange(*left, nullptr)) now(std::move(result));
  };
  return {.on_overdue = [answer, too_late = std::move(too_late)](
                            int) { answer(sysfs::fail(sysfs::ErrorCode::Overdue, too_late)); },
          .on_result = answer};
}

}  // namespace devbindd::handoff
