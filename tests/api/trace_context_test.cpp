// SPDX-License-Identifier: Apache-2.0
// Which traceparent fields are taken over, by the rules of W3C Trace Context, 3.2.
#include "api/http/trace_context.hpp"

#include "tests/catch2.hpp"

namespace devbindd::trace_context_test {

using devbindd::api::traceparent_of;

namespace {

const std::string trace = "4bf92f3577b34da6a3ce929d0e0e4736";
const std::string span = "00f067aa0ba902b7";

}  // namespace

TEST_CASE("a traceparent of version 00 is taken as it is", "[traceparent]") {
  CHECK(traceparent_of("00-" + trace + "-" + span + "-01") == "00-" + trace + "-" + span + "-01");
  CHECK(traceparent_of("00-" + trace + "-" + span + "-00") == "00-" + trace + "-" + span + "-00");
}

TEST_CASE("flags that version 00 does not know are not taken over", "[traceparent]") {
  CHECK(traceparent_of("00-" + trace + "-" + span + "-ff").ends_with("-01"));
  CHECK(traceparent_of("00-" + trace + "-" + span + "-0b").ends_with("-01"));
  CHECK(traceparent_of("00-" + trace + "-" + span + "-02").ends_with("-00"));
}

TEST_CASE("of a later version the part that is known is taken", "[traceparent]") {
  const auto known = "00-" + trace + "-" + span + "-01";
  CHECK(traceparent_of("cc-" + trace + "-" + span + "-01") == known);
  CHECK(traceparent_of("cc-" + trace + "-" + span + "-01-what-comes") == known);
  CHECK(traceparent_of("cc-" + trace + "-" + span + "-01.what").empty());
}

TEST_CASE("what is not as the specification says is as if it had not come", "[traceparent]") {
  const auto good = "00-" + trace + "-" + span + "-01";
  CHECK(traceparent_of("").empty());
  CHECK(traceparent_of(good + "-more").empty());
  CHECK(traceparent_of(good + ", " + good).empty());  // two fields
  CHECK(traceparent_of("ff-" + trace + "-" + span + "-01").empty());
  CHECK(traceparent_of("00-" + std::string(32, '0') + "-" + span + "-01").empty());
  CHECK(traceparent_of("00-" + trace + "-" + std::string(16, '0') + "-01").empty());
  for (std::size_t length = 0; length < good.size(); ++length) CHECK(traceparent_of(good.substr(0, length)).empty());
  for (std::size_t at = 0; at < good.size(); ++at) {
    auto wrong = good;
    wrong[at] = 'A';  // no upper case anywhere
    CHECK(traceparent_of(wrong).empty());
  }
}

}  // namespace devbindd::trace_context_test
