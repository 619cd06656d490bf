// SPDX-License-Identifier: Apache-2.0
// A CDI file before a process with rights writes it: no text that is taken has a hook or a mount.
#include "api/render/cdi_check.hpp"
#include "tests/fuzz/fuzz.hpp"

using namespace devbindd;
using fuzz::must;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto text = fuzz::text_of(data, size);
  if (!api::is_harmless_cdi(text)) return 0;
  for (const auto* word : {"\"hooks\"", "\"mounts\"", "hookName", "\"type\""})
    must(text.find(word) == std::string::npos);
  return 0;
}
