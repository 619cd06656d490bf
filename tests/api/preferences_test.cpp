// SPDX-License-Identifier: Apache-2.0
// What the Prefer header says, and what it does not.
#include "api/http/preferences.hpp"

#include "tests/catch2.hpp"

namespace devbindd::preferences_test {

namespace {

using namespace devbindd::api;
using std::chrono::seconds;

constexpr seconds usual{30};

seconds patience(std::string_view prefer) { return patience_of(preferences_from(prefer), usual); }

}  // namespace

TEST_CASE("The time to wait comes from the Prefer header") {
  CHECK(patience("") == usual);
  CHECK(patience("respond-async") == seconds(0));
  CHECK(patience("wait=5") == seconds(5));
  CHECK(patience("WAIT = \"5\"") == seconds(5));
  CHECK(patience("wait=0") == seconds(0));
  CHECK(patience("wait=100000") == max_wait);
  CHECK(patience("wait=99999999999999999999") == max_wait);
  CHECK(patience("handling=lenient, wait=7") == seconds(7));
  // RFC 7240, 4.1: with both, the answer is asynchronous after so many seconds.
  CHECK(patience("wait=7,respond-async") == seconds(7));
  CHECK(patience("respond-async, wait=7") == seconds(7));
  CHECK(patience("wait=3, wait=9") == seconds(3));
  CHECK(patience("return=minimal; a=\"x, wait=9\", wait=4") == seconds(4));
}

TEST_CASE("What is not understood is named, and counts for nothing") {
  for (const auto* nonsense : {"wait=", "wait=-1", "wait=x", "waiting=5", "wait", "wait=1.5", "wait=\"5",
                               "respond-async=1", "wait=5 6", "return=minimal", "=5", "wait=5=6", "handling=hasty"}) {
    CAPTURE(nonsense);
    const auto preferences = preferences_from(nonsense);
    CHECK(patience_of(preferences, usual) == usual);
    REQUIRE(preferences.not_understood.size() == 1);
    CHECK(preferences.not_understood.front() == nonsense);
    CHECK(applied_text(preferences).empty());
  }
  CHECK(preferences_from(",,, ,").not_understood.empty());
  CHECK(preferences_from(std::string(9000, 'x')).not_understood.front().size() == 64);
  CHECK(preferences_from("handling=strict, wait=x").strict);
  CHECK_FALSE(preferences_from("handling=lenient").strict);
}

TEST_CASE("What was followed is told") {
  CHECK(applied_text(preferences_from("")).empty());
  CHECK(applied_text(preferences_from("wait=1000")) == "wait=300");
  CHECK(applied_text(preferences_from("Respond-Async, wait=5, handling=strict")) ==
        "respond-async, wait=5, handling=strict");
}

}  // namespace devbindd::preferences_test
