// SPDX-License-Identifier: Apache-2.0
// Which connection goes for a newcomer, and which go at the end.
#include "api/http/session_table.hpp"

#include <string>

#include "tests/catch2.hpp"

namespace devbindd::session_table_test {

using namespace devbindd::api;

namespace {

constexpr ConnectionLimits limits{.all = 4, .reserve = 1, .transport = 3, .user = 2};

// Leaves the table when it is told to go, as a session does.
class Guest : public OpenConnection {
 public:
  Guest(SessionTable& table, Connected seen, bool refused = false) : table_(table), seen_(std::move(seen)) {
    refused ? table_.add_refused(*this) : table_.add(*this);
  }
  Guest(const Guest&) = delete;
  Guest& operator=(const Guest&) = delete;
  ~Guest() { table_.remove(*this); }

  Connected connected() const override { return seen_; }
  void make_room() override {
    went_ = true;
    table_.remove(*this);
  }
  void close_if_idle() override {
    if (seen_.idle_since) make_room();
  }
  bool went() const { return went_; }

 private:
  SessionTable& table_;
  Connected seen_;
  bool went_ = false;
};

Connected user(unsigned uid, std::optional<int> idle = {}) {
  const auto since = [](int second) { return std::chrono::steady_clock::time_point(std::chrono::seconds(second)); };
  return {.uid = uid, .idle_since = idle ? std::optional(since(*idle)) : std::nullopt};
}

}  // namespace

TEST_CASE("who is there is counted, and no more when he has gone", "[api][session_table]") {
  SessionTable table;
  {
    const Guest one(table, user(1));
    const Guest refused(table, user(1), true);
    CHECK(table.size() == 2);
    CHECK(table.refused() == 1);
  }
  CHECK(table.size() == 0);
  CHECK(table.refused() == 0);
}

TEST_CASE("the connection that has been idle for longest goes for a newcomer", "[api][session_table]") {
  SessionTable table;
  const Guest busy(table, user(1));
  const Guest idle(table, user(1, 5));
  CHECK(table.make_room_for(user(1), limits) == std::nullopt);
  CHECK(idle.went());
  CHECK_FALSE(busy.went());
  CHECK(table.size() == 1);
}

TEST_CASE("where all are busy a newcomer is told why he has to stay outside", "[api][session_table]") {
  SessionTable table;
  const Guest one(table, user(1));
  const Guest two(table, user(1));
  const auto why = table.make_room_for(user(1), limits);
  REQUIRE(why);
  CHECK_THAT(*why, tests::has_text("2 connections of this user are open"));
  CHECK(table.size() == 2);
}

TEST_CASE("those that are only refused take no room from others", "[api][session_table]") {
  SessionTable table;
  const Guest one(table, user(1), true);
  const Guest two(table, user(1, 1), true);
  CHECK(table.make_room_for(user(1), limits) == std::nullopt);
  CHECK_FALSE(two.went());
}

TEST_CASE("at the end the idle ones go, and the others stay for their answers", "[api][session_table]") {
  SessionTable table;
  const Guest busy(table, user(1));
  const Guest idle(table, user(1, 1));
  const Guest other(table, user(2, 2));
  const Guest refused(table, user(3, 3), true);
  table.close_idle();
  CHECK_FALSE(busy.went());
  CHECK(idle.went());
  CHECK(other.went());
  CHECK(refused.went());
  CHECK(table.size() == 1);
}

}  // namespace devbindd::session_table_test
