// SPDX-License-Identifier: Apache-2.0
// The result of a task as the daemon gets it: what is decoded has these bytes and no others, and answers what was
// asked. The input is the kind of the task, one byte, and the payload of a frame.
#include "handoff/worker/worker_wire.hpp"
#include "tests/fuzz/fuzz.hpp"

using namespace devbindd;
using fuzz::must;

namespace {

/// The empty task of that kind; the first kind for a number beyond them.
handoff::TaskWork work_of(std::uint8_t kind) {
  const char payload[64] = {static_cast<char>(kind)};
  for (std::size_t size = 1; size <= sizeof payload; ++size) {
    if (const auto task = handoff::decode_task(fuzz::framed({payload, size}))) return task->work;
  }
  return {};
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const auto asked = work_of(data[0]);
  must(asked.index() == (data[0] < std::variant_size_v<handoff::TaskWork> ? data[0] : 0));
  const auto payload = fuzz::text_of(data + 1, size - 1);
  (void)handoff::decode_result(payload, asked);  // with a length of its own
  const auto frame = fuzz::framed(payload);
  const auto result = handoff::decode_result(frame, asked);
  if (!result) return 0;
  must(!*result || (*result)->index() == asked.index());
  must(handoff::encode(*result) == frame);
  return 0;
}
