// SPDX-License-Identifier: Apache-2.0
// One answer to one request: given twice, given never, given after an exception.
#include "api/http/one_answer.hpp"

#include <stdexcept>
#include <string>

#include "tests/catch2.hpp"

namespace devbindd::one_answer_test {

using devbindd::api::one_answer;
using devbindd::api::Respond;
using devbindd::api::Response;

namespace {

struct Heard {
  std::string answers = {};
  int unanswered = 0;
  Respond respond() {
    return one_answer([this](Response response) { answers += response.body; }, [this] { ++unanswered; });
  }
};

Response saying(std::string text) {
  Response response;
  response.body = std::move(text);
  return response;
}

}  // namespace

TEST_CASE("the first answer counts, whoever gives it", "[api][one_answer]") {
  Heard heard;
  {
    const auto respond = heard.respond();
    const auto copy = respond;
    copy(saying("a"));
    respond(saying("b"));
    copy(saying("c"));
  }
  CHECK(heard.answers == "a");
  CHECK(heard.unanswered == 0);
}

TEST_CASE("it is noticed when the last one goes who could have answered", "[api][one_answer]") {
  Heard heard;
  auto respond = heard.respond();
  auto copy = respond;
  respond = {};
  CHECK(heard.unanswered == 0);
  copy = {};
  CHECK(heard.unanswered == 1);
  CHECK(heard.answers.empty());
}

TEST_CASE("an exception takes those along who could have answered", "[api][one_answer]") {
  Heard heard;
  const auto handle = [](const Respond&) { throw std::runtime_error("a handler that fails"); };
  CHECK_THROWS(handle(heard.respond()));
  CHECK(heard.unanswered == 1);
}

}  // namespace devbindd::one_answer_test
