// SPDX-License-Identifier: Apache-2.0
// How many lines of one kind the log gets.
#include "daemon/line_limit.hpp"

#include "tests/catch2.hpp"

namespace devbindd::line_limit_test {

using devbindd::daemon::kind_of;
using devbindd::daemon::LineLimit;

namespace {

LineLimit::Clock::time_point at(int second) { return LineLimit::Clock::time_point(std::chrono::seconds(second)); }

std::size_t written(LineLimit& limit, const std::string& kind, std::size_t lines, int second) {
  std::size_t count = 0;
  for (std::size_t line = 0; line < lines; ++line) count += limit.take(kind, at(second)) ? 1 : 0;
  return count;
}

}  // namespace

TEST_CASE("a kind is what numbers do not tell apart", "[daemon][log]") {
  CHECK(kind_of("pid 4711 of 0000:05:00.0") == "pid # of #:#:#.#");
  CHECK(kind_of("pid 1 of 0000:06:00.1") == kind_of("pid 99999 of 10000:06:00.0"));
  CHECK(kind_of("unix") != kind_of("tcp"));
  CHECK(kind_of(std::string(1000, 'x')).size() == 96);
  CHECK(kind_of("").empty());
}

TEST_CASE("lines of one kind are limited, and what was left out is told", "[daemon][log]") {
  LineLimit limit({.lines = 3, .time = std::chrono::seconds(10), .kinds = 8});
  CHECK(written(limit, "a", 5, 0) == 3);
  CHECK(limit.has_left_out());
  CHECK(written(limit, "b", 2, 1) == 2);  // another kind has lines of its own
  CHECK(written(limit, "a", 4, 9) == 0);
  CHECK(limit.over(at(9)).empty());
  const auto told = limit.over(at(10));
  REQUIRE(told.size() == 1);
  CHECK(told.front().kind == "a");
  CHECK(told.front().lines == 6);
  CHECK_FALSE(limit.has_left_out());
  CHECK(written(limit, "a", 5, 10) == 3);
}

TEST_CASE("the time begins anew when nothing was left out", "[daemon][log]") {
  LineLimit limit({.lines = 2, .time = std::chrono::seconds(10), .kinds = 8});
  CHECK(written(limit, "a", 2, 0) == 2);
  CHECK(written(limit, "a", 3, 11) == 2);
  CHECK(written(limit, "a", 3, 30) == 0);  // until it has been told
  CHECK(limit.over(at(30)).front().lines == 4);
}

TEST_CASE("kinds are limited too", "[daemon][log]") {
  LineLimit limit({.lines = 2, .time = std::chrono::seconds(10), .kinds = 4});
  std::size_t count = 0;
  for (int kind = 0; kind < 1000; ++kind) count += limit.take("kind " + std::to_string(kind), at(0)) ? 1 : 0;
  CHECK(count == 6);  // the four, and two of all others
  CHECK(limit.take("kind 0", at(1)));
  CHECK(limit.take("new", at(11)));  // those that were quiet have made room
  REQUIRE(limit.over(at(11)).size() == 1);
}

}  // namespace devbindd::line_limit_test
