// SPDX-License-Identifier: Apache-2.0
// The If-Match and If-None-Match headers of a client.
#include "api/http/entity_tag.hpp"
#include "tests/fuzz/fuzz.hpp"

using namespace devbindd;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto text = fuzz::text_of(data, size);
  const auto tag = api::entity_tag(text);
  fuzz::must(tag == api::entity_tag(text) && api::is_tag_list(tag) && api::names_tag(tag, tag, false));
  // What is named strongly is named weakly too, and a list that does not hold the tag does not name it.
  fuzz::must(!api::names_tag(text, tag, false) || api::names_tag(text, tag, true));
  fuzz::must(!api::names_tag(text, tag, true) || text == "*" ||
             std::string_view(text).find(tag) != std::string_view::npos);
  if (api::is_tag_list(text) && text != "*") fuzz::must(api::names_tag(std::string(text) + "," + tag, tag, false));
  return 0;
}
