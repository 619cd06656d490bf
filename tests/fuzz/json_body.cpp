// SPDX-License-Identifier: Apache-2.0
// Request bodies: what is taken is an object that can be written and read again to the same value.
#include "api/http/json_body.hpp"

#include <nlohmann/json.hpp>

#include "api/requests/selector_body.hpp"
#include "tests/fuzz/fuzz.hpp"

using namespace devbindd;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto body = api::parse_body(fuzz::text_of(data, size));
  if (!body) {
    fuzz::must(!body.error().code.empty() && !body.error().detail.empty());
    return 0;
  }
  fuzz::must(body->is_object());
  const auto again = api::parse_body(body->dump());
  fuzz::must(again && *again == *body);
  api::Mistakes mistakes;
  api::BodyReader reader(*body, mistakes);
  (void)reader.string("driver");
  (void)reader.boolean("flag", true);
  (void)reader.strings("accept_risks", 32);
  (void)reader.number("count", 1, 64);
  (void)api::read_selector(*body, "/selector", mistakes);
  reader.finish();
  fuzz::must(mistakes.list().size() <= api::Mistakes::most);
  return 0;
}
