// SPDX-License-Identifier: Apache-2.0
// What handlers read from paths, queries and headers, and the exact 400 for what is wrong.
#include "api/http/parameters.hpp"

#include <nlohmann/json.hpp>

#include "api/http/media_ranges.hpp"
#include "tests/catch2.hpp"

namespace devbindd::parameters_test {

namespace {

using namespace devbindd::api;
using nlohmann::json;
using std::chrono::seconds;

Request request() {
  Request request;
  request.id = "00000000-0000-4000-8000-000000000000";
  return request;
}

std::vector<std::pair<std::string, json>> items() {
  return {{"a", {{"name", "a"}}}, {"b", {{"name", "b"}}}, {"c", {{"name", "c"}}}};
}

json named(const std::vector<std::string>& names) {
  auto list = json::array();
  for (const auto& name : names) list.push_back({{"name", name}});
  return list;
}

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
  const auto page_of = [](const Paging& wanted) { return page(request(), items(), wanted).value(); };
  const auto whole = page_of({});
  CHECK(whole["items"] == named({"a", "b", "c"}));
  CHECK(whole["next_page_token"].is_null());
  CHECK_FALSE(whole.contains("total"));
  const auto first = page_of({.size = 2, .after = ""});
  CHECK(first["items"] == named({"a", "b"}));
  CHECK(first["next_page_token"] == "b");
  const auto last = page_of({.size = 2, .after = "b", .count = true});
  CHECK(last["items"] == named({"c"}));
  CHECK(last["next_page_token"].is_null());
  CHECK(last["total"] == 3);
  CHECK(page_of({.size = 3, .after = ""})["next_page_token"].is_null());
  CHECK(page_of({.size = 1, .after = "c"})["items"].empty());
}

TEST_CASE("a token whose item is gone is an error and not the end of the list", "[api][parameters]") {
  const auto lost = page(request(), items(), {.size = 2, .after = "bb"});
  REQUIRE_FALSE(lost);
  CHECK(body(lost.error())["errors"][0]["pointer"] == "?page_token");
  CHECK(page(request(), {}, {}).value()["items"].empty());
}

TEST_CASE("an answer has the members that were asked for, and one that it cannot have is named", "[api][parameters]") {
  json document = {{"address", "0000:05:00.0"}, {"driver", nullptr}, {"vendor", "8086"}};
  CHECK_FALSE(keep_fields(request(), {}, document));
  CHECK(document.size() == 3);
  CHECK_FALSE(keep_fields(request(), {"driver", "address"}, document));
  CHECK(document == json{{"address", "0000:05:00.0"}, {"driver", nullptr}});
  const auto refused = keep_fields(request(), {"drivr", "address", "x"}, document);
  REQUIRE(refused);
  CHECK(refused->status == 400);
  CHECK(body(*refused)["errors"].size() == 2);
  CHECK(body(*refused)["detail"].get<std::string>().find("Did you mean \"driver\"?") != std::string::npos);
  CHECK(body(page(request(), items(), {.size = 1, .after = "", .fields = {"nam"}}).error())["code"] == "invalid_value");
}

TEST_CASE("paging has bounds", "[api][parameters]") {
  Mistakes mistakes;
  const auto read = [&mistakes](const std::vector<std::pair<std::string, std::string>>& query) {
    mistakes = {};
    QueryReader reader(query, mistakes);
    return paging(reader);
  };
  CHECK(read({}).size == 1000);
  CHECK(read({{"page_size", "7"}, {"page_token", "x"}}).after == "x");
  CHECK(read({{"fields", "a,b"}, {"fields", "c"}, {"count", "true"}}).fields.size() == 3);
  CHECK(mistakes.none());
  read({{"page_size", "0"}, {"page_token", "a"}, {"page_token", "a"}, {"count", "1"}});
  const auto refused = body(to_response(request(), mistakes));
  CHECK(refused["status"] == 400);
  CHECK(refused["code"] == "invalid_value");
  CHECK(refused["errors"].size() == 3);
  CHECK(refused["errors"][1] == json{{"code", "repeated_parameter"},
                                     {"pointer", "?page_token"},
                                     {"detail", "the parameter 'page_token' stands more than once"}});
  CHECK(refused["detail"].get<std::string>().ends_with(" (and 2 more)"));
}

TEST_CASE("addresses and names are checked at the door", "[api][parameters]") {
  Mistakes mistakes;
  CHECK(to_string(address_parameter("0000:05:00.0", mistakes)) == "0000:05:00.0");
  CHECK(driver_parameter("vfio-pci", mistakes).text() == "vfio-pci");
  CHECK(mistakes.none());
  address_parameter("05:00.0", mistakes);
  driver_parameter("a/b", mistakes);
  const auto refused = body(to_response(request(), mistakes));
  CHECK(refused["errors"][0]["code"] == "invalid_address");
  CHECK(refused["errors"][0]["pointer"] == "{bdf}");
  CHECK(refused["errors"][1]["code"] == "invalid_name");
  CHECK(refused["errors"][1]["pointer"] == "{name}");
}

TEST_CASE("what is not there counts where nothing else is wrong", "[api][parameters]") {
  Mistakes mistakes;
  mistakes.add("device_not_found", "/items/0/device", "there is none");
  CHECK(to_response(request(), mistakes).status == 404);
  mistakes.add("invalid_value", "/items/1/device", "it is none");
  const auto refused = body(to_response(request(), mistakes));
  CHECK(refused["status"] == 400);
  CHECK(refused["code"] == "invalid_value");
  CHECK(refused["errors"][1]["code"] == "device_not_found");
}

TEST_CASE("only risks that exist can be accepted", "[api][parameters]") {
  const json document = {{"accept_risks", {"vfio.open", "everything", "net.default_route", "vfio.opn"}}};
  Mistakes mistakes;
  BodyReader reader(document, mistakes);
  CHECK(risks(reader).size() == 4);
  REQUIRE(mistakes.list().size() == 2);
  CHECK(mistakes.list()[0].pointer == "/accept_risks/1");
  CHECK(mistakes.list()[1].detail.ends_with("Did you mean \"vfio.open\"?"));
  Mistakes none;
  const std::vector<std::pair<std::string, std::string>> query = {{"accept_risks", "vfio.open,net.default_route"}};
  QueryReader parameters(query, none);
  CHECK(risks(parameters).size() == 2);
  CHECK(none.none());
}

TEST_CASE("a scope is device or group", "[api][parameters]") {
  Mistakes mistakes;
  CHECK(scope_named("device", "/scope", mistakes) == devbindd::handoff::Scope::Device);
  CHECK(scope_named("group", "/scope", mistakes) == devbindd::handoff::Scope::Group);
  CHECK(mistakes.none());
  CHECK_FALSE(scope_named("Group", "?scope", mistakes));
  CHECK(mistakes.list().front().pointer == "?scope");
}

TEST_CASE("a request without anything to say has no parameters and one address", "[api][parameters]") {
  auto asked = request();
  CHECK_FALSE(refuse_parameters(asked));
  CHECK(only_address(asked, "0000:05:00.0"));
  asked.query = {{"x", "1"}};
  CHECK(refuse_parameters(asked)->status == 400);
  const auto refused = only_address(asked, "05:00.0");
  REQUIRE_FALSE(refused);
  CHECK(body(refused.error())["errors"].size() == 2);
}

TEST_CASE("a key of a request has at most 128 characters", "[api][parameters]") {
  auto asked = request();
  Mistakes mistakes;
  asked.idempotency_key = std::string(128, 'x');
  CHECK(key_of(asked, mistakes) == asked.idempotency_key);
  CHECK(mistakes.none());
  asked.idempotency_key += 'x';
  key_of(asked, mistakes);
  CHECK(mistakes.list().front().pointer == "Idempotency-Key:");
}

TEST_CASE("a UUID has its shape", "[api][parameters]") {
  CHECK(is_uuid("3f8e1c52-9d0b-4b7e-a0a6-1c2d3e4f5a6b"));
  CHECK(is_uuid("3F8E1C52-9D0B-4B7E-A0A6-1C2D3E4F5A6B"));
  for (const auto* text : {"", "3f8e1c52-9d0b-4b7e-a0a6-1c2d3e4f5a6", "3f8e1c529d0b4b7ea0a61c2d3e4f5a6b",
                           "3f8e1c52-9d0b-4b7e-a0a6-1c2d3e4f5a6g", "3f8e1c52-9d0b-4b7e-a0a6-1c2d3e4f5a6b "})
    CHECK_FALSE(is_uuid(text));
}

}  // namespace devbindd::parameters_test
