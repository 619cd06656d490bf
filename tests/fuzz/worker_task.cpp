// SPDX-License-Identifier: Apache-2.0
// A task as a worker gets it: what is decoded has these bytes and no others. The input is the payload of a frame.
#include "handoff/worker/worker_wire.hpp"
#include "tests/fuzz/fuzz.hpp"

using namespace devbindd;
using fuzz::must;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto payload = fuzz::text_of(data, size);
  must(handoff::frame_size(payload).has_value() == (size >= 4));
  (void)handoff::decode_task(payload);  // with a length of its own
  const auto frame = fuzz::framed(payload);
  must(handoff::frame_size(frame) == frame.size());
  const auto task = handoff::decode_task(frame);
  if (!task) return 0;
  must(handoff::encode(*task) == frame);
  must(handoff::decode_task(handoff::encode(*task)) == task);
  return 0;
}
