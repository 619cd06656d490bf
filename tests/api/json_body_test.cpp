// SPDX-License-Identifier: Apache-2.0
// Request bodies: what the strict parser takes, and that every refusal names the place.
#include "api/http/json_body.hpp"

#include <nlohmann/json.hpp>

#include "tests/catch2.hpp"

namespace devbindd::json_body_test {

namespace {

using devbindd::api::BodyReader;
using devbindd::api::Mistake;
using devbindd::api::Mistakes;
using devbindd::api::parse_body;
using devbindd::api::parse_commented;
using devbindd::api::pointer_to;

// "ok" or "code pointer".
std::string outcome(std::string_view text) {
  const auto body = parse_body(text);
  return body ? "ok" : body.error().code + " " + body.error().pointer;
}

std::string nested(std::size_t levels) {
  return "{\"x\":" + std::string(levels - 1, '[') + std::string(levels - 1, ']') + "}";
}

}  // namespace

TEST_CASE("a body is one JSON object", "[api][json]") {
  CHECK(outcome(R"({})") == "ok");
  CHECK(outcome(" \t\r\n{ \"a\" : [1, -2, 0.5, 1e3, true, null, \"\\u00e9\\ud83d\\ude00\"] } ") == "ok");
  for (const auto* text : {"",
                           " ",
                           "[]",
                           "\"a\"",
                           "1",
                           "null",
                           "{",
                           "{}x",
                           "{}{}",
                           "{\"a\":1,}",
                           "{a:1}",
                           "{'a':1}",
                           "{\"a\":01}",
                           "{\"a\":NaN}",
                           "{\"a\":1e999}",
                           "{\"a\":\"\x01\"}",
                           "{\"a\":\"\\ud800\"}",
                           "{\"a\":\"\\x\"}",
                           "// x\n{}",
                           "{/*x*/}"}) {
    INFO(text);
    CHECK(outcome(text) == "invalid_json ");
  }
}

TEST_CASE("what is not JSON is told with its line and column, and an empty text as such", "[api][json]") {
  const auto detail = [](std::string_view text) { return parse_body(text).error().detail; };
  CHECK(detail("{\"a\": x}") == "the text is not JSON: the error is in line 1, column 7");
  CHECK(detail("{\n  \"a\": 1,\n  b\n}") == "the text is not JSON: the error is in line 3, column 3");
  CHECK(detail("{\"a\":1") == "the text is not JSON: the error is in line 1, column 7");
  CHECK(detail("x") == "the text is not JSON: the error is in line 1, column 1");
  for (const auto* blank : {"", " ", "\n\t\r\n"})
    CHECK(detail(blank) == "there is no text, where a JSON object must be: {} at least");
}

TEST_CASE("every key that nobody asked for is told, with what was probably meant", "[api][json]") {
  const auto body = parse_body(R"({"drivr": 1, "scope": "group", "force": true})");
  REQUIRE(body);
  Mistakes mistakes;
  BodyReader reader(*body, mistakes, "/items/1");
  reader.find("driver");
  reader.find("scope");
  reader.finish();
  CHECK(mistakes.list() ==
        std::vector<Mistake>{
            {"unknown_field", "/items/1/drivr", "there is no key \"drivr\" here. Did you mean \"driver\"?"},
            {"unknown_field", "/items/1/force", "there is no key \"force\" here. Possible here: driver, scope"}});
}

TEST_CASE("of very many unknown keys the first ones are told", "[api][json]") {
  std::string text = "{";
  for (int number = 0; number < 200; ++number) text += (number == 0 ? "\"k" : ",\"k") + std::to_string(number) + "\":1";
  const auto body = parse_body(text + "}");
  REQUIRE(body);
  Mistakes mistakes;
  BodyReader(*body, mistakes).finish();
  CHECK(mistakes.list().size() == Mistakes::most);
}

TEST_CASE("a body is UTF-8", "[api][json]") {
  CHECK(outcome("{\"a\":\"\xc3\xa9\"}") == "ok");
  for (const auto* text : {"{\"a\":\"\xff\"}", "{\"a\":\"\xc0\xaf\"}", "{\"a\":\"\xed\xa0\x80\"}", "{\"\xfe\":1}",
                           "{\"a\":\"\xe2\x82\"}"}) {
    CHECK(outcome(text) == "invalid_json ");
  }
}

TEST_CASE("a key may stand once in an object", "[api][json]") {
  CHECK(outcome(R"({"a":1,"b":{"a":1},"c":[{"a":1},{"a":1}]})") == "ok");
  CHECK(outcome(R"({"a":1,"a":1})") == "duplicate_field /a");
  CHECK(outcome(R"({"a":1,"\u0061":2})") == "duplicate_field /a");
  CHECK(outcome(R"({"a/b~":1,"a/b~":1})") == "duplicate_field /a~1b~0");
  CHECK(outcome(R"({"x":{"a":1,"a":1}})") == "duplicate_field ");
}

TEST_CASE("an integer fits 64 bits", "[api][json]") {
  CHECK(outcome(R"({"a":18446744073709551615,"b":-9223372036854775808})") == "ok");
  CHECK(outcome(R"({"a":{"x":1},"b":18446744073709551616})") == "invalid_value /b");
  CHECK(outcome(R"({"a":-9223372036854775809})") == "invalid_value /a");
  CHECK(outcome(R"({"a":[18446744073709551616]})") == "invalid_value ");
  CHECK(outcome(R"({"a":18446744073709551616.0})") == "ok");
}

TEST_CASE("a body has at most 32 levels", "[api][json]") {
  CHECK(outcome(nested(32)) == "ok");
  CHECK(outcome(nested(33)) == "invalid_json ");
  CHECK(outcome(std::string(60000, '[')) == "invalid_json ");
}

TEST_CASE("only the configuration may have comments", "[api][json]") {
  CHECK(parse_commented("// a\n{ /* b */ \"c\": 1 } // d"));
  CHECK_FALSE(parse_commented("{} # a"));
  CHECK_FALSE(parse_commented("{} /* a"));
  CHECK(parse_commented("{\"a\":1,\"a\":2}").error().code == "duplicate_field");
}

TEST_CASE("a reader gives members by their type", "[api][json]") {
  const auto body = parse_body(R"({"s":"text","b":true,"l":["x","y"],"n":null,"i":7,"o":{"a":1}})").value();
  Mistakes mistakes;
  BodyReader reader(body, mistakes);
  CHECK(*reader.string("s") == "text");
  CHECK(reader.string("absent") == nullptr);
  CHECK(reader.boolean("b", false));
  CHECK(reader.boolean("absent", true));
  CHECK(reader.strings("l", 2) == std::vector<std::string>{"x", "y"});
  CHECK(reader.strings("absent", 2).empty());
  CHECK(reader.number("i", 7, 7) == 7U);
  CHECK_FALSE(reader.number("absent", 0, 9));
  REQUIRE(reader.object("o") != nullptr);
  CHECK(reader.object("absent") == nullptr);
  REQUIRE(reader.find("n") != nullptr);
  CHECK(reader.find("n")->is_null());
  reader.finish();
  CHECK(mistakes.none());
}

TEST_CASE("a reader names every member that is wrong, and goes on", "[api][json]") {
  const auto body =
      parse_body(R"({"s":null,"b":1,"l":["x",1],"long":["x","y"],"o":[],"i":8,"j":-1,"k":"7","x":1})").value();
  Mistakes mistakes;
  BodyReader reader(body, mistakes);
  CHECK(reader.string("s") == nullptr);
  CHECK_FALSE(reader.boolean("b", false));
  CHECK(reader.strings("l", 2).empty());
  CHECK(reader.strings("long", 1).empty());
  CHECK(reader.object("o") == nullptr);
  for (const auto* key : {"i", "j", "k"}) CHECK_FALSE(reader.number(key, 0, 7));
  reader.missing("driver", "it is needed");
  reader.finish();
  std::vector<std::string> places;
  for (const auto& [code, pointer, detail] : mistakes.list()) places.push_back(code + " " + pointer);
  CHECK(places == std::vector<std::string>{"invalid_value /s", "invalid_value /b", "invalid_value /l",
                                           "invalid_value /long", "invalid_value /o", "invalid_value /i",
                                           "invalid_value /j", "invalid_value /k", "missing_field /driver",
                                           "unknown_field /x"});
}

TEST_CASE("of a body that is none nothing is missing", "[api][json]") {
  const nlohmann::json none;
  Mistakes mistakes;
  BodyReader reader(none, mistakes);
  CHECK(reader.find("driver") == nullptr);
  reader.missing("driver", "it is needed");
  reader.finish();
  CHECK(mistakes.none());
}

TEST_CASE("a text of a body has at most 256 bytes", "[api][json]") {
  const std::string fits(256, 'x');
  const auto body = parse_body(R"({"s":")" + fits + R"(","t":")" + fits + R"(y","l":[")" + fits + R"("],"m":["a",")" +
                               fits + R"(y"]})")
                        .value();
  Mistakes mistakes;
  BodyReader reader(body, mistakes);
  CHECK(*reader.string("s") == fits);
  CHECK(reader.strings("l", 2).size() == 1);
  CHECK(mistakes.none());
  CHECK(reader.string("t") == nullptr);
  CHECK(reader.strings("m", 2).empty());
  REQUIRE(mistakes.list().size() == 2);
  CHECK(mistakes.list().front().pointer == "/t");
  CHECK(mistakes.list().back().pointer == "/m");
}

TEST_CASE("a pointer is escaped", "[api][json]") { CHECK(pointer_to("a/b~c") == "/a~1b~0c"); }

}  // namespace devbindd::json_body_test
