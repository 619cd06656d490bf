// SPDX-License-Identifier: Apache-2.0
// The head of a request: what the guard lets through keeps all of its promises, and its target can be taken apart.
#include "api/http/http_guard.hpp"

#include <algorithm>

#include "api/http/query.hpp"
#include "tests/fuzz/fuzz.hpp"

using namespace devbindd;
using fuzz::must;

namespace {

void check_head(const api::RequestHead& head, std::string_view block) {
  must(block.find('\0') == std::string_view::npos);
  must(std::ranges::count(block, '\r') == std::ranges::count(block, '\n'));
  must(head.target.starts_with('/') && head.target.size() <= api::max_target_bytes);
  must(head.content_length <= api::max_body_bytes && head.fields.size() <= api::max_header_fields);
  const auto count = [&head](std::string_view name) {
    return std::ranges::count_if(head.fields, [name](const auto& field) { return field.first == name; });
  };
  must(count("host") == 1 || (count("host") == 0 && head.http_1_0));
  must(count("transfer-encoding") == 0 && count("content-length") <= 1);
  must(head.authority.find_first_of("/?#@ ") == std::string::npos);
}

void check_target(const std::string& text) {
  const auto target = api::parse_target(text);
  if (!target) return;
  for (const auto& segment : target->path) {
    must(segment.find('/') == std::string::npos && segment.find('\0') == std::string::npos && segment != "." &&
         segment != "..");
  }
  api::Mistakes mistakes;
  api::QueryReader reader(target->query, mistakes);
  (void)reader.all("driver");
  (void)reader.flag("dry_run");
  (void)reader.number("page_size", 1, 1000);
  reader.finish();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto text = fuzz::text_of(data, size);
  const auto block_size = api::header_block_size(text);
  if (block_size) {
    must(*block_size <= size && text[*block_size - 1] == '\n');
    const auto block = text.substr(0, *block_size);
    if (const auto head = api::guard(block)) {
      check_head(*head, block);
      check_target(head->target);
    }
  }
  if (const auto head = api::guard(text)) must(block_size == size);
  return 0;
}
