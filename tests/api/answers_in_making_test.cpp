// SPDX-License-Identifier: Apache-2.0
// Answers that are made once for all who ask for the same meanwhile.
#include "api/context/answers_in_making.hpp"

#include <string>
#include <utility>
#include <vector>

#include "tests/catch2.hpp"

namespace devbindd::answers_in_making_test {

using namespace devbindd::api;

namespace {

Request of(Role role) {
  Request request;
  request.grant.role = role;
  return request;
}

/// What came to whom, and who had to ask again.
struct Clients {
  Respond respond(std::string who) {
    return [this, who = std::move(who)](const Response& response) { given.push_back(who + ":" + response.body); };
  }
  std::function<void()> again(std::string who) {
    return [this, who = std::move(who)] { asked_again.push_back(who); };
  }
  std::optional<AnswersInMaking::Maker> wait(const std::string& who, const std::string& asked, const Version& version,
                                             const Request& request = of(Role::Reader)) {
    return answers.wait(asked, version, request, respond(who), again(who));
  }

  AnswersInMaking answers;
  std::vector<std::string> given;
  std::vector<std::string> asked_again;
};

Response with(int status, std::string body) {
  return {.status = status, .content_type = "", .body = std::move(body), .headers = {}};
}

using Names = std::vector<std::string>;

}  // namespace

TEST_CASE("Who asks for what is being made waits for it", "[answers_in_making]") {
  Clients clients;
  auto maker = clients.wait("first", "list", {1});
  REQUIRE(maker);
  CHECK_FALSE(clients.wait("second", "list", {1}));
  CHECK_FALSE(clients.wait("third", "list", {1}));
  CHECK(clients.given.empty());
  maker->respond(with(200, "all"));
  CHECK(clients.given == Names{"first:all", "second:all", "third:all"});
  CHECK(clients.asked_again.empty());
}

TEST_CASE("Something else, another version and what is made already are made apart", "[answers_in_making]") {
  Clients clients;
  auto maker = clients.wait("first", "list", {1});
  REQUIRE(maker);
  auto other = clients.wait("other", "list\nvendor=8086", {1});
  auto newer = clients.wait("newer", "list", {2});
  REQUIRE(other);
  REQUIRE(newer);
  CHECK_FALSE(clients.wait("joins the newer", "list", {2}));
  maker->respond(with(200, "old"));
  CHECK(clients.given == Names{"first:old"});
  newer->respond(with(200, "new"));
  CHECK(clients.given == Names{"first:old", "newer:new", "joins the newer:new"});
  CHECK(clients.wait("later", "list", {2}));
}

TEST_CASE("Who may change things does not wait for work that comes after his", "[answers_in_making]") {
  Clients clients;
  auto reader = clients.wait("reader", "list", {1});
  auto root = clients.wait("root", "list", {1}, of(Role::Admin));
  REQUIRE(reader);
  REQUIRE(root);
  CHECK(may_change(root->request.grant));
  root->respond(with(200, "x"));
  CHECK(clients.given == Names{"root:x"});
}

TEST_CASE("A problem is that of the first; the others ask again", "[answers_in_making]") {
  Clients clients;
  auto maker = clients.wait("first", "list", {1});
  REQUIRE(maker);
  clients.wait("second", "list", {1});
  maker->respond(with(503, "problem"));
  CHECK(clients.given == Names{"first:problem"});
  CHECK(clients.asked_again == Names{"second"});
}

TEST_CASE("It is made until the last of those who wait has left", "[answers_in_making]") {
  Clients clients;
  bool first_left = false;
  bool second_left = false;
  auto first = of(Role::Reader);
  first.client_left = std::make_shared<const ClientLeft>([&] { return first_left; });
  auto second = of(Role::Reader);
  second.client_left = std::make_shared<const ClientLeft>([&] { return second_left; });
  auto maker = clients.wait("first", "list", {1}, first);
  REQUIRE(maker);
  clients.wait("second", "list", {1}, second);
  first_left = true;
  CHECK_FALSE((*maker->request.client_left)());
  second_left = true;
  CHECK((*maker->request.client_left)());
}

TEST_CASE("What is dropped while it is made is made by the next who asks", "[answers_in_making]") {
  Clients clients;
  auto maker = clients.wait("first", "list", {1});
  REQUIRE(maker);
  maker.reset();
  CHECK(clients.wait("second", "list", {1}));
}

}  // namespace devbindd::answers_in_making_test
