// SPDX-License-Identifier: Apache-2.0
// Frames between the daemon and a worker: what decodes encodes to the same frame again.
#include "handoff/worker/worker_wire.hpp"

#include "tests/fuzz/fuzz.hpp"

using namespace devbindd;
using fuzz::must;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto text = fuzz::text_of(data, size);
  const auto frame_size = handoff::frame_size(text);
  must(frame_size.has_value() == (size >= 4));
  if (const auto task = handoff::decode_task(text)) must(handoff::decode_task(handoff::encode(*task)) == task);
  if (const auto result = handoff::decode_result(text)) {
    const auto frame = handoff::encode(*result);
    const auto again = handoff::decode_result(frame);
    must(again && handoff::encode(*again) == frame && handoff::frame_size(frame) == frame.size());
  }
  return 0;
}
