// What handlers read from paths, queries and headers, and the exact 400 for what is wrong.
#include "api/parameters.hpp"

#include <nlohmann/json.hpp>

#include "api/media_ranges.hpp"
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

TEST_CASE("text is for those who ask for it first", "[api][parameters]") {
  CHECK(text_for("text/plain"));
  CHECK(text_for("text/plain, application/json"));
  CHECK(text_for("text/plain; charset=utf-8, */*"));
  for (const auto* accept : {"", "*/*", "application/json", "application/json, text/plain", "text/html"})
    CHECK_FALSE(text_for(accept));
}

TEST_CASE("what an Accept header prefers goes by weight, and the nearest range says the weight", "[api][parameters]") {
  const auto text =
      GENERATE(as<std::string>{}, "TEXT/PLAIN", "text/*", "Text/*;q=0.2", "application/json;q=0.9, text/plain",
               "text/plain;q=0.5, application/json;q=0.499", "*/*, application/json;q=0", "text/plain;q=0.1, text/html",
               "application/*;q=0.2, */*;q=0.3", "text/plain;charset=UTF-8", "text/plain;Charset=\"utf-8\";q=1",
               "a/b;x=\"text/html, application/json\", text/plain", "text/plain;q=1.000, application/json;q=0.999",
               "application/json;q=0, text/plain;q=0.001", "text/plain;q=0.5;ext=1, application/json;q=0.4",
               ",, text/plain ,", "application/json;q=0.5, text/plain;charset=utf-8, text/*;q=0");
  CAPTURE(text);
  CHECK(text_for(text));
}

TEST_CASE("what an Accept header does not prefer is not given", "[api][parameters]") {
  const auto json =
      GENERATE(as<std::string>{}, "text/plain;q=0.1, application/json", "text/plain;q=0", "text/plain;q=0, */*",
               "text/plain;Q=0, application/json;q=0.1", "*/*;q=0.5, text/plain;q=0.4", "text/*;q=0, */*",
               "text/plain;q=0.9, application/json;charset=utf-8", "text/plain;charset=iso-8859-1",
               "text/plain;format=flowed", "text/plainx", "xtext/plain", "application/problem+json;x=text/plain",
               "text/plain;q=2", "text/plain;q=", "text/plain;q=0.1234", "text/plain;q=-1", "text/plain;q=x",
               "text/plain;x", "*/plain", "text /plain", "application/json;q=0", "*/*;q=0", "text/html;level=1");
  CAPTURE(json);
  CHECK_FALSE(text_for(json));
}

TEST_CASE("the media type of a body is read without its parameters, in any case", "[api][parameters]") {
  for (const auto* type : {"application/json", "Application/JSON", " application/json\t; charset=utf-8",
                           "application/json;charset=\"x;y\""})
    CHECK(media_type_of(type) == "application/json");
  for (const auto* type : {"", "json", "application/jsonx", "application/ json", "application/json, text/plain", "*"})
    CHECK(media_type_of(type) != "application/json");
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
