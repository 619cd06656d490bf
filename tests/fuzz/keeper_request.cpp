// SPDX-License-Identifier: Apache-2.0
// A request as the keeper gets it: what is decoded has these bytes and no others, and is within its bounds.
#include "handoff/worker/keeper_wire.hpp"
#include "tests/fuzz/fuzz.hpp"

using namespace devbindd;
using fuzz::must;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto payload = fuzz::text_of(data, size);
  (void)handoff::decode_keeper_request(payload);  // with a length of its own
  (void)handoff::decode_greeting(payload);
  const auto packet = fuzz::framed(payload);
  const auto request = handoff::decode_keeper_request(packet);
  if (!request) return 0;
  must(handoff::encode(*request) == packet);
  if (const auto* file = std::get_if<handoff::PutCdiFile>(&*request))
    must(!file->claim.empty() && file->claim.find_first_of("/.") == std::string::npos);
  if (const auto* ended = std::get_if<handoff::EndWorker>(&*request)) must(ended->pid > 0);
  return 0;
}
