// SPDX-License-Identifier: Apache-2.0
// Request targets: segments, parameters, and that nothing unknown passes.
#include "api/http/query.hpp"

#include "tests/catch2.hpp"

namespace devbindd::query_test {

namespace {

using devbindd::api::Mistakes;
using devbindd::api::parse_target;
using devbindd::api::QueryReader;
using Path = std::vector<std::string>;
using Query = std::vector<std::pair<std::string, std::string>>;

Query query_of(std::string_view target) { return parse_target(target).value().query; }

using Places = std::vector<std::string>;

Places places(const Mistakes& mistakes) {
  Places list;
  for (const auto& [code, pointer, detail] : mistakes.list()) list.push_back(code + " " + pointer);
  return list;
}

}  // namespace

TEST_CASE("a target's path becomes decoded segments", "[api][query]") {
  CHECK(parse_target("/")->path.empty());
  CHECK(parse_target("/v1")->path == Path{"v1"});
  CHECK(parse_target("/v1/devices/0000%3A05%3a00.0")->path == Path{"v1", "devices", "0000:05:00.0"});
  CHECK(parse_target("/v1/drivers/a%20b+c")->path == Path{"v1", "drivers", "a b+c"});
  CHECK(parse_target("/v1/")->path == Path{"v1", ""});
}

TEST_CASE("a target with a broken escape is refused", "[api][query]") {
  for (const auto* target : {"/%", "/%4", "/%zz", "/a?b=%", "/a?%zz=1", "", "a", "/[", "/a?b=^"}) {
    INFO(target);
    CHECK_FALSE(parse_target(target));
  }
}

TEST_CASE("a query becomes names and values", "[api][query]") {
  CHECK(query_of("/a").empty());
  CHECK(query_of("/a?").empty());
  CHECK(query_of("/a?b") == Query{{"b", ""}});
  CHECK(query_of("/a?b=1&c=2&b=3") == Query{{"b", "1"}, {"c", "2"}, {"b", "3"}});
  CHECK(query_of("/a?b=x%20y&c=x+y") == Query{{"b", "x y"}, {"c", "x y"}});
  CHECK(query_of("/a?b=x%2By") == Query{{"b", "x+y"}});
  CHECK(query_of("/a?b=%26%3D%c3%a9") == Query{{"b", "&=\xc3\xa9"}});
  CHECK(query_of("/a?b=//../x") == Query{{"b", "//../x"}});
}

TEST_CASE("all() takes repeats and commas", "[api][query]") {
  const Query query{{"driver", "a,b"}, {"other", "x"}, {"driver", "c"}, {"empty", ""}};
  Mistakes mistakes;
  QueryReader reader(query, mistakes);
  CHECK(reader.all("driver") == std::vector<std::string>{"a", "b", "c"});
  CHECK(reader.all("absent").empty());
  CHECK(reader.all("empty") == std::vector<std::string>{""});
}

TEST_CASE("one() refuses a repeat", "[api][query]") {
  const Query query{{"a", "1"}, {"b", "1"}, {"b", "1"}};
  Mistakes mistakes;
  QueryReader reader(query, mistakes);
  CHECK(reader.one("a") == "1");
  CHECK_FALSE(reader.one("absent"));
  CHECK(mistakes.none());
  CHECK_FALSE(reader.one("b"));
  CHECK(places(mistakes) == Places{"repeated_parameter ?b"});
}

TEST_CASE("flag() takes true and false alone", "[api][query]") {
  const Query query{{"yes", "true"}, {"no", "false"},   {"one", "1"},     {"capital", "True"},
                    {"empty", ""},   {"twice", "true"}, {"twice", "true"}};
  Mistakes mistakes;
  QueryReader reader(query, mistakes);
  CHECK(reader.flag("yes"));
  CHECK_FALSE(reader.flag("no"));
  CHECK_FALSE(reader.flag("absent"));
  CHECK(mistakes.none());
  for (const auto* name : {"one", "capital", "empty", "twice"}) CHECK_FALSE(reader.flag(name));
  CHECK(places(mistakes) ==
        Places{"invalid_value ?one", "invalid_value ?capital", "invalid_value ?empty", "repeated_parameter ?twice"});
}

TEST_CASE("number() keeps to its bounds", "[api][query]") {
  const Query query{{"a", "1"},  {"b", "1000"}, {"c", "0"},           {"d", "1001"}, {"e", "-1"},
                    {"f", "1x"}, {"g", ""},     {"h", "99999999999"}, {"i", " 1"}};
  Mistakes mistakes;
  QueryReader reader(query, mistakes);
  CHECK(reader.number("a", 1, 1000) == 1U);
  CHECK(reader.number("b", 1, 1000) == 1000U);
  CHECK_FALSE(reader.number("absent", 1, 1000));
  CHECK(mistakes.none());
  for (const auto* name : {"c", "d", "e", "f", "g", "h", "i"}) CHECK_FALSE(reader.number(name, 1, 1000));
  CHECK(mistakes.list().size() == 7);
}

TEST_CASE("finish() names every parameter that nobody asked for, once", "[api][query]") {
  const Query query{{"driver", "a"}, {"drivr", "b"}, {"x", "1"}, {"drivr", "c"}};
  Mistakes mistakes;
  QueryReader reader(query, mistakes);
  (void)reader.all("driver");
  reader.finish();
  CHECK(places(mistakes) == Places{"unknown_parameter ?drivr", "unknown_parameter ?x"});
  Mistakes none;
  QueryReader all(query, none);
  for (const auto* name : {"driver", "drivr", "x"}) (void)all.all(name);
  all.finish();
  CHECK(none.none());
}

}  // namespace devbindd::query_test
