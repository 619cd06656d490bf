// SPDX-License-Identifier: Apache-2.0
// Entity tags: what has the same one, and which lists name one.
#include "api/http/entity_tag.hpp"

#include <set>

#include "tests/catch2.hpp"

namespace devbindd::entity_tag_test {

using namespace devbindd::api;

TEST_CASE("The same bytes have the same tag, others have another", "[entity_tag]") {
  std::set<std::string> tags;
  std::string body = "{\"items\":[]}";
  for (std::size_t size = 0; size < 70; ++size) tags.insert(entity_tag(std::string(size, 'a')));
  CHECK(tags.size() == 70);
  for (auto& byte : body) {
    byte ^= 1;
    tags.insert(entity_tag(body));
    byte ^= 1;
  }
  CHECK(tags.size() == 70 + body.size());
  CHECK(entity_tag(body) == entity_tag(std::string(body)));
  CHECK(entity_tag(body).size() == 18);
  CHECK(is_tag_list(entity_tag(body)));
}

TEST_CASE("A list names a tag strongly or weakly", "[entity_tag]") {
  const std::string tag = "\"0011223344556677\"";
  for (const bool weakly : {false, true}) {
    CHECK(names_tag(tag, tag, weakly));
    CHECK(names_tag("*", tag, weakly));
    CHECK(names_tag("\"a\" , " + tag, tag, weakly));
    CHECK(names_tag("W/" + tag, tag, weakly) == weakly);
    CHECK_FALSE(names_tag("", tag, weakly));
    CHECK_FALSE(names_tag("\"a\",\"b\"", tag, weakly));
    CHECK_FALSE(names_tag("nonsense, " + tag, tag, weakly));
    CHECK_FALSE(names_tag(tag.substr(0, 17), tag, weakly));
  }
}

TEST_CASE("Only tags in quotes make a list", "[entity_tag]") {
  for (const auto* list : {"*", "\"a\"", "W/\"a\"", "\"a\",\"b\"", "\"a\", W/\"b\" ,", "\"\""})
    CHECK(is_tag_list(list));
  for (const auto* list : {"", ",", "a", "\"a", "W/a", "w/\"a\"", "\"a\" b", "*, \"a\""})
    CHECK_FALSE(is_tag_list(list));
}

}  // namespace devbindd::entity_tag_test
