// What handlers read from paths, queries and headers, and the exact 400 for what is wrong.
#include "api/parameters.hpp"

#include <nlohmann/json.hpp>

#include "api/change.hpp"
#include "tests/catch2.hpp"

namespace {

using namespace devbindd::api;
using nlohmann::json;
using std::chrono::seconds;

Request request() {
  Request request;
  request.id = "00000000-0000-4000-8000-000000000000";
  return request;
}

std::vector<std::pair<std::string, json>> items() { return {{"a", 1}, {"b", 2}, {"c", 3}}; }

json body(const Response& response) { return json::parse(response.body); }

bool text_for(const std::string& accept) {
  auto asked = request();
  asked.accept = accept;
  return wants_text(asked);
}

}  // namespace

TEST_CASE("the time to wait comes from the Prefer header", "[api][parameters]") {
  const seconds usual(30);
  CHECK(wait_from("", usual) == usual);
  CHECK(wait_from("respond-async", usual) == seconds(0));
  CHECK(wait_from("wait=5", usual) == seconds(5));
  CHECK(wait_from("wait=0", usual) == seconds(0));
  CHECK(wait_from("wait=100000", usual) == seconds(300));
  CHECK(wait_from("handling=lenient, wait=7", usual) == seconds(7));
  CHECK(wait_from("wait=7,respond-async", usual) == seconds(7));
  CHECK(wait_from("respond-async, wait=7", usual) == seconds(0));
  for (const auto* nonsense : {"wait=", "wait=-1", "wait=x", "waiting=5", "wait", ",,,", "wait=99999999999"})
    CHECK(wait_from(nonsense, usual) == usual);
}

TEST_CASE("text is for those who ask for it first", "[api][parameters]") {
  CHECK(text_for("text/plain"));
  CHECK(text_for("text/plain, application/json"));
  CHECK(text_for("text/plain; charset=utf-8, */*"));
  for (const auto* accept : {"", "*/*", "application/json", "application/json, text/plain", "text/html"})
    CHECK_FALSE(text_for(accept));
}

TEST_CASE("a page begins behind its token and ends at its size", "[api][parameters]") {
  const auto whole = page(items(), {}).value();
  CHECK(whole["items"] == json({1, 2, 3}));
  CHECK(whole["next_page_token"].is_null());
  const auto first = page(items(), {.size = 2, .after = ""}).value();
  CHECK(first["items"] == json({1, 2}));
  CHECK(first["next_page_token"] == "b");
  const auto last = page(items(), {.size = 2, .after = "b"}).value();
  CHECK(last["items"] == json({3}));
  CHECK(last["next_page_token"].is_null());
  CHECK(page(items(), {.size = 3, .after = ""}).value()["next_page_token"].is_null());
  CHECK(page(items(), {.size = 1, .after = "c"}).value()["items"].empty());
}

TEST_CASE("a token whose item is gone is an error and not the end of the list", "[api][parameters]") {
  const auto lost = page(items(), {.size = 2, .after = "bb"});
  REQUIRE_FALSE(lost);
  CHECK(lost.error().pointer == "?page_token");
  CHECK(page({}, {}).value()["items"].empty());
}

TEST_CASE("paging has bounds", "[api][parameters]") {
  const auto read = [](const std::vector<std::pair<std::string, std::string>>& query) {
    QueryReader reader(query);
    return paging(request(), reader);
  };
  CHECK(read({})->size == 1000);
  CHECK(read({{"page_size", "7"}, {"page_token", "x"}})->after == "x");
  CHECK(read({{"page_size", "0"}}).error().status == 400);
  CHECK(body(read({{"page_size", "1001"}}).error())["errors"][0]["pointer"] == "?page_size");
  CHECK(body(read({{"page_token", "a"}, {"page_token", "a"}}).error())["code"] == "repeated_parameter");
}

TEST_CASE("addresses and names are checked at the door", "[api][parameters]") {
  CHECK(address_parameter(request(), "0000:05:00.0"));
  const auto wrong = address_parameter(request(), "05:00.0").error();
  CHECK(wrong.status == 400);
  CHECK(body(wrong)["code"] == "invalid_address");
  CHECK(driver_parameter(request(), "vfio-pci"));
  CHECK(body(driver_parameter(request(), "a/b").error())["code"] == "invalid_name");
}

TEST_CASE("only risks that exist can be accepted", "[api][parameters]") {
  CHECK(risks(request(), {}, "/accept_risks")->empty());
  CHECK(risks(request(), {"vfio.open", "net.default_route"}, "/accept_risks")->size() == 2);
  const auto wrong = risks(request(), {"vfio.open", "everything"}, "/accept_risks").error();
  CHECK(body(wrong)["code"] == "invalid_value");
  CHECK(body(wrong)["errors"][0]["pointer"] == "/accept_risks");
}

TEST_CASE("a scope is device or group", "[api][parameters]") {
  CHECK(scope_named(request(), "device", "/scope") == devbindd::handoff::Scope::Device);
  CHECK(scope_named(request(), "group", "/scope") == devbindd::handoff::Scope::Group);
  CHECK(body(scope_named(request(), "Group", "?scope").error())["errors"][0]["pointer"] == "?scope");
}
