// SPDX-License-Identifier: Apache-2.0
// Which time a connection has, from its first byte to its second request.
#include "api/http/request_phase.hpp"

#include "tests/catch2.hpp"

namespace devbindd::request_phase_test {

using devbindd::api::HeadTime;
using devbindd::api::RequestPhase;
using Clock = RequestPhase::Clock;

namespace {

Clock::time_point at(int second) { return Clock::time_point(std::chrono::seconds(second)); }

}  // namespace

TEST_CASE("a new connection has the time for a head, silent or not", "[api][request_phase]") {
  RequestPhase phase(at(1));
  CHECK(phase.idle());
  CHECK(phase.idle_since() == at(1));
  CHECK(phase.read_head(false, false) == HeadTime::Header);
  CHECK(phase.idle());
}

TEST_CASE("the clock for a head starts with its first byte, and not anew with each further one",
          "[api][request_phase]") {
  RequestPhase phase(at(1));
  phase.read_head(false, false);
  CHECK(phase.read_head(true, false) == HeadTime::Header);
  CHECK_FALSE(phase.idle());
  CHECK(phase.read_head(true, false) == HeadTime::Running);
  CHECK(phase.read_head(true, false) == HeadTime::Running);
}

TEST_CASE("another one may come in for a connection on which no whole head has come", "[api][request_phase]") {
  RequestPhase phase(at(1));
  phase.read_head(true, false);
  CHECK(phase.idle_since() == at(1));
  phase.take_head();
  CHECK(phase.idle_since() == std::nullopt);
  CHECK_FALSE(phase.idle());
}

TEST_CASE("between requests a connection may be silent for longer", "[api][request_phase]") {
  RequestPhase phase(at(1));
  phase.take_head();
  phase.end_request(at(7));
  CHECK(phase.idle());
  CHECK(phase.idle_since() == at(7));
  CHECK(phase.read_head(false, false) == HeadTime::Idle);
  CHECK(phase.read_head(true, false) == HeadTime::Header);
}

TEST_CASE("bytes of a next request that have come with the earlier one start its clock", "[api][request_phase]") {
  RequestPhase phase(at(1));
  phase.take_head();
  phase.end_request(at(7));
  CHECK(phase.read_head(true, false) == HeadTime::Header);
}

TEST_CASE("a connection that something lasts as long as may be silent, but not within a head", "[api][request_phase]") {
  RequestPhase phase(at(1));
  phase.take_head();
  phase.end_request(at(7));
  CHECK(phase.read_head(false, true) == HeadTime::Unlimited);
  CHECK(phase.idle());
  CHECK(phase.read_head(true, true) == HeadTime::Header);
}

}  // namespace devbindd::request_phase_test
