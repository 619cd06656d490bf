// SPDX-License-Identifier: Apache-2.0
// The traceparent header of a client.
#include "api/http/trace_context.hpp"
#include "tests/fuzz/fuzz.hpp"

using namespace devbindd;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto text = fuzz::text_of(data, size);
  const auto taken = api::traceparent_of(text);
  if (taken.empty()) return 0;
  // It is of version 00, is the same again, and its ids are those that were sent.
  fuzz::must(taken.size() == 55 && taken.starts_with("00-") && api::traceparent_of(taken) == taken);
  fuzz::must(std::string_view(text).substr(2, 50) == std::string_view(taken).substr(2, 50));
  fuzz::must(taken.find_first_not_of("0123456789abcdef-") == std::string::npos);
  return 0;
}
