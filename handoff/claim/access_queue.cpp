// SPDX-License-Identifier: Apache-2.0
#include "handoff/claim/access_queue.hpp"

namespace devbindd::handoff {

// It may be over before it returns.
void AccessQueue::begin_first() {
  const auto begin = jobs_.front();
  begin();
}

// What whoever is told of the end adds stands behind what waits already.
void AccessQueue::leave() {
  jobs_.pop_front();
  if (!jobs_.empty()) begin_first();
}

}  // namespace devbindd::handoff
