// SPDX-License-Identifier: Apache-2.0
// Deadlines that strike, are put off, end, and go.
#include "api/http/reading_deadline.hpp"

#include <memory>

#include "tests/catch2.hpp"

namespace devbindd::reading_deadline_test {

using devbindd::api::ReadingDeadline;
using namespace std::chrono_literals;

TEST_CASE("a deadline strikes once", "[api][reading_deadline]") {
  boost::asio::io_context io;
  ReadingDeadline deadline(io);
  int struck = 0;
  deadline.start(1ms, [&struck] { ++struck; });
  CHECK_FALSE(deadline.late());
  io.run();
  CHECK(struck == 1);
  CHECK(deadline.late());
}

TEST_CASE("a new deadline takes the place of the earlier one, and nobody is late any more", "[api][reading_deadline]") {
  boost::asio::io_context io;
  ReadingDeadline deadline(io);
  int first = 0;
  int second = 0;
  deadline.start(1h, [&first] { ++first; });
  deadline.start(1ms, [&second] { ++second; });
  io.run();
  CHECK(first == 0);
  CHECK(second == 1);
  deadline.start(1h, [] {});
  CHECK_FALSE(deadline.late());
}

TEST_CASE("one that has ended does not strike, also where it had been over already", "[api][reading_deadline]") {
  boost::asio::io_context io;
  ReadingDeadline deadline(io);
  int struck = 0;
  deadline.start(0ms, [&struck] { ++struck; });
  deadline.end();
  io.run();
  CHECK(struck == 0);
  CHECK_FALSE(deadline.late());
}

TEST_CASE("nobody is called once whoever waited has gone", "[api][reading_deadline]") {
  boost::asio::io_context io;
  auto deadline = std::make_unique<ReadingDeadline>(io);
  int struck = 0;
  boost::asio::steady_timer meanwhile(io, 0ms);
  meanwhile.async_wait([&deadline](auto) { deadline.reset(); });
  deadline->start(0ms, [&struck] { ++struck; });
  io.run();
  CHECK(struck == 0);
}

}  // namespace devbindd::reading_deadline_test
