// SPDX-License-Identifier: Apache-2.0
// The header fields that every answer has.
#include "api/http/answer_fields.hpp"

#include <cstdlib>
#include <ctime>
#include <optional>
#include <string>

#include "tests/catch2.hpp"

namespace devbindd::answer_fields_test {

using namespace devbindd::api;

TEST_CASE("a date as RFC 9110 has it", "[api][answer_fields]") {
  CHECK(http_date(784111777) == "Sun, 06 Nov 1994 08:49:37 GMT");
  CHECK(http_date(0) == "Thu, 01 Jan 1970 00:00:00 GMT");
}

TEST_CASE("a date is in GMT wherever the host is", "[api][answer_fields]") {
  const auto* const zone = std::getenv("TZ");
  const auto before = zone != nullptr ? std::optional<std::string>(zone) : std::nullopt;
  ::setenv("TZ", "JST-9", 1);
  ::tzset();
  CHECK(http_date(0) == "Thu, 01 Jan 1970 00:00:00 GMT");
  before ? ::setenv("TZ", before->c_str(), 1) : ::unsetenv("TZ");
  ::tzset();
}

TEST_CASE("every answer says what it is, whose, and that nobody may keep it", "[api][answer_fields]") {
  Response answer;
  answer.content_type = "text/plain";
  const auto fields = answer_fields(answer, "1b4e28ba", 0);
  const std::vector<std::pair<std::string, std::string>> expected = {
      {"Server", "devbindd"},        {"Date", "Thu, 01 Jan 1970 00:00:00 GMT"}, {"Content-Type", "text/plain"},
      {"Cache-Control", "no-store"}, {"X-Content-Type-Options", "nosniff"},     {"Api-Version", "1"},
      {"Request-Id", "1b4e28ba"}};
  CHECK(fields == expected);
}

TEST_CASE("an answer's own fields come last, so that they replace those of all", "[api][answer_fields]") {
  Response answer;
  answer.headers = {{"Cache-Control", "max-age=1"}, {"Retry-After", "1"}};
  const auto fields = answer_fields(answer, "", 0);
  REQUIRE(fields.size() == 9);
  CHECK(fields[7].second == "max-age=1");
  CHECK(fields[8].first == "Retry-After");
}

}  // namespace devbindd::answer_fields_test
