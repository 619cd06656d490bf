// SPDX-License-Identifier: Apache-2.0
// The Accept and Content-Type headers of a client.
#include "api/http/media_ranges.hpp"

#include <algorithm>

#include "tests/fuzz/fuzz.hpp"

using namespace devbindd;

namespace {

bool is_lower_case(std::string_view text) {
  return std::ranges::none_of(text, [](char c) { return c >= 'A' && c <= 'Z'; });
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto text = fuzz::text_of(data, size);
  const auto ranges = api::parse_accept(text);
  for (const auto& range : ranges) {
    fuzz::must(range.quality <= 1000 && !range.type.empty() && !range.subtype.empty());
    fuzz::must(is_lower_case(range.type) && is_lower_case(range.subtype) &&
               (range.type != "*" || range.subtype == "*"));
    for (const auto& [name, value] : range.parameters) fuzz::must(!name.empty() && is_lower_case(name));
  }
  const auto chosen = api::preferred(text, {{"application", "json"}, {"text", "plain"}});
  fuzz::must(chosen < 2 && (!ranges.empty() || chosen == 0));
  const auto type = api::media_type_of(text);
  fuzz::must(is_lower_case(type) && type.find_first_of("; \t") == std::string::npos);
  return 0;
}
