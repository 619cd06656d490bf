// SPDX-License-Identifier: Apache-2.0
// Answers to requests with a key: for whom, for how long, how many, and over a restart.
#include "handoff/journal/kept_answers.hpp"

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>

#include "tests/catch2.hpp"
#include "tests/handoff/stage.hpp"
#include "tests/temporary_directory.hpp"

namespace devbindd::kept_answers_test {

namespace {

using namespace devbindd;
using namespace devbindd::handoff;
using namespace devbindd::tests;

struct Kept {
  explicit Kept(std::string the_path = ":memory:") : path(std::move(the_path)) { open(); }
  ~Kept() { close(); }
  Kept(const Kept&) = delete;
  Kept& operator=(const Kept&) = delete;

  void open() {
    journal = Journal::open(path, "boot", [this](std::function<void()> work) {
                boost::asio::post(io, std::move(work));
              }).value();
    answers = std::make_unique<KeptAnswers>(*journal, [this](const DamagedRow& row) { damaged.push_back(row); });
  }
  void close() {
    answers.reset();
    journal.reset();
  }
  void keep(std::optional<unsigned> user, const std::string& key, const std::string& body,
            TimePoint at = std::chrono::system_clock::now()) {
    bool done = false;
    answers->keep(user, key,
                  {.request = "asked", .at = at, .status = 200, .content_type = "application/json", .body = body},
                  [&done](const sysfs::Result<>& stored) {
                    CHECK((stored ? std::string() : stored.error().message) == "");
                    done = true;
                  });
    run_until(io, [&done] { return done; });
  }
  std::string body(std::optional<unsigned> user, const std::string& key) const {
    const auto* found = answers->find(user, key);
    return found != nullptr ? found->body : "none";
  }

  std::string path;
  boost::asio::io_context io;
  /// The journal's thread posts to it: it is never out of work.
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work = boost::asio::make_work_guard(io);
  std::vector<DamagedRow> damaged;
  std::unique_ptr<Journal> journal;
  std::unique_ptr<KeptAnswers> answers;
};

}  // namespace

TEST_CASE("An answer is known by its user and its key") {
  Kept kept;
  CHECK(kept.body(0, "a") == "none");
  kept.keep(0, "a", "root's");
  kept.keep(1000, "a", "a user's");
  kept.keep(std::nullopt, "a", "by TCP");
  kept.keep(0, "b", "another");
  CHECK(kept.body(0, "a") == "root's");
  CHECK(kept.body(1000, "a") == "a user's");
  CHECK(kept.body(std::nullopt, "a") == "by TCP");
  CHECK(kept.body(1001, "a") == "none");
  kept.answers->forget(0, "a");
  kept.answers->forget(0, "never");
  CHECK(kept.body(0, "a") == "none");
  CHECK(kept.body(0, "b") == "another");
}

TEST_CASE("An answer is known for a day, over a restart too") {
  const TemporaryDirectory directory;
  Kept kept((directory.path() / "state.db").string());
  const auto now = std::chrono::system_clock::now();
  kept.keep(0, "fresh", "yes", now - std::chrono::hours(23));
  kept.keep(0, "old", "no", now - std::chrono::hours(24));
  kept.keep(0, "fresh", "yes, again", now - std::chrono::hours(22));
  for (int restart = 0; restart < 2; ++restart) {
    CHECK(kept.body(0, "fresh") == "yes, again");
    CHECK(kept.body(0, "old") == "none");
    kept.close();
    kept.open();
  }
  const auto* found = kept.answers->find(0, "fresh");
  REQUIRE(found != nullptr);
  CHECK(found->request == "asked");
  CHECK(found->status == 200);
  CHECK(found->content_type == "application/json");
  CHECK(kept.damaged.empty());
}

TEST_CASE("Of many answers the newest are known", "[long]") {
  Kept kept;
  const std::string large(KeptAnswers::most_bytes / 4, 'x');
  for (int number = 0; number < 5; ++number) kept.keep(0, std::to_string(number), large);
  CHECK(kept.body(0, "0") == "none");
  for (int number = 1; number < 5; ++number) CHECK(kept.body(0, std::to_string(number)) == large);
  kept.keep(0, "small", "x");
  CHECK(kept.body(0, "1") == "none");
  CHECK(kept.body(0, "small") == "x");
}

TEST_CASE("An answer that nobody can read is set aside, and the others are known") {
  const TemporaryDirectory directory;
  Kept kept((directory.path() / "state.db").string());
  kept.keep(0, "good", "yes");
  bool done = false;
  kept.journal->store(AnswerRow{"0 bad", "{\"request\":1}"}, [&done](const sysfs::Result<>&) { done = true; });
  run_until(kept.io, [&done] { return done; });
  kept.close();
  kept.open();
  CHECK(kept.body(0, "good") == "yes");
  CHECK(kept.body(0, "bad") == "none");
  REQUIRE(kept.damaged.size() == 1);
  CHECK(kept.damaged.front().table == "answers");
  CHECK(kept.damaged.front().key == "0 bad");
}

}  // namespace devbindd::kept_answers_test
