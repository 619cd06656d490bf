// SPDX-License-Identifier: Apache-2.0
// One grammar for what devices are asked for by, in bodies and in queries.
#include "api/requests/selector_fields.hpp"

#include <nlohmann/json.hpp>

#include "api/requests/selector_body.hpp"
#include "tests/catch2.hpp"

namespace devbindd::selector_fields_test {

namespace {

using namespace devbindd;
using namespace devbindd::api;
using handoff::Selector;
using nlohmann::json;

Selector from_body(const json& body, Mistakes& mistakes) { return read_selector(body, "/selector", mistakes); }

Selector from_query(const std::vector<std::pair<std::string, std::string>>& parameters, Mistakes& mistakes) {
  Selector selector;
  QueryReader query(parameters, mistakes);
  read_selector_fields(query, selector);
  query.finish();
  return selector;
}

// Everything that texts can say.
bool same(const Selector& left, const Selector& right) {
  return left.vendor == right.vendor && left.device == right.device &&
         left.subsystem_vendor == right.subsystem_vendor && left.subsystem_device == right.subsystem_device &&
         left.class_prefix == right.class_prefix && left.category == right.category && left.driver == right.driver &&
         left.numa_node == right.numa_node && left.iommu_group == right.iommu_group && left.physfn == right.physfn &&
         left.address == right.address;
}

}  // namespace

TEST_CASE("a body and a query say the same by the same texts", "[api][selector]") {
  const auto& [body, query] = GENERATE(table<json, std::vector<std::pair<std::string, std::string>>>({
      {{{"vendor", "8086"}}, {{"vendor", "8086"}}},
      {{{"vendor", "0x8086"}, {"device", "10D3"}}, {{"vendor", "0X8086"}, {"device", "0x10d3"}}},
      {{{"subsystem_vendor", "15B3"}, {"subsystem_device", "0X0001"}},
       {{"subsystem_vendor", "15b3"}, {"subsystem_device", "0001"}}},
      {{{"vendor", {"8086", "15b3"}}}, {{"vendor", "8086,15b3"}}},
      {{{"vendor", {"8086", "15b3"}}}, {{"vendor", "8086"}, {"vendor", "15b3"}}},
      {{{"class", "0x0200"}}, {{"class", "0200"}}},
      {{{"class", {"02", "0C03"}}}, {{"class", "02,0c03"}}},
      {{{"category", "Network"}}, {{"category", "network"}}},
      {{{"driver", "none"}}, {{"driver", "none"}}},
      {{{"driver", {"e1000e", "igb"}}}, {{"driver", "e1000e,igb"}}},
      {{{"numa_node", 1}}, {{"numa_node", "1"}}},
      {{{"numa_node", {0, "none"}}}, {{"numa_node", "0,none"}}},
      {{{"iommu_group", "7"}}, {{"iommu_group", "7"}}},
      {{{"physfn", "0000:05:00.0"}}, {{"physfn", "0000:05:00.0"}}},
      {{{"physfn", "none"}}, {{"physfn", "none"}}},
      {{{"address", {"0000:05:00.0", "0000:0A:00.1"}}}, {{"address", "0000:05:00.0,0000:0a:00.1"}}},
  }));
  CAPTURE(body.dump());
  Mistakes mistakes;
  const auto left = from_body(body, mistakes);
  const auto right = from_query(query, mistakes);
  CHECK(mistakes.none());
  CHECK(same(left, right));
  CHECK_FALSE(same(left, Selector{}));
}

TEST_CASE("a body and a query refuse the same texts", "[api][selector]") {
  const auto& [name, text] = GENERATE(table<std::string, std::string>({
      {"vendor", ""},
      {"vendor", "80860"},
      {"device", "0x"},
      {"device", "808g"},
      {"vendor", "none"},
      {"subsystem_vendor", "8"},
      {"class", "2"},
      {"class", "02000"},
      {"category", "nic"},
      {"category", ""},
      {"driver", "a/b"},
      {"driver", ""},
      {"numa_node", "-1"},
      {"numa_node", "None"},
      {"numa_node", "2147483648"},
      {"iommu_group", "x"},
      {"physfn", "05:00.0"},
      {"address", "none"},
      {"address", "0000:05:00"},
  }));
  CAPTURE(name, text);
  Mistakes body;
  from_body({{name, text}}, body);
  Mistakes query;
  from_query({{name, text}}, query);
  REQUIRE(body.list().size() == 1);
  REQUIRE(query.list().size() == 1);
  CHECK(body.list().front().code == "invalid_value");
  CHECK(body.list().front().pointer == "/selector/" + name);
  CHECK(query.list().front().pointer == "?" + name);
  CHECK(query.list().front().detail == body.list().front().detail);
}

TEST_CASE("every value that is wrong is named, with what was probably meant", "[api][selector]") {
  Mistakes mistakes;
  from_body(
      {{"vendor", {"8086", "x", 7}}, {"category", "netwrk"}, {"count", 0}, {"numa_node", true}, {"vendr", "8086"}},
      mistakes);
  std::vector<std::string> places;
  for (const auto& mistake : mistakes.list()) places.push_back(mistake.pointer);
  CHECK(places == std::vector<std::string>{"/selector/vendor/1", "/selector/vendor/2", "/selector/category",
                                           "/selector/numa_node", "/selector/count", "/selector/vendr"});
  CHECK(mistakes.list()[2].detail.ends_with("Did you mean \"network\"?"));
}

TEST_CASE("a member has one to 64 values", "[api][selector]") {
  for (const auto count : {0U, 65U}) {
    Mistakes mistakes;
    from_body({{"vendor", json(std::vector<std::string>(count, "8086"))}}, mistakes);
    CHECK(mistakes.list().front().pointer == "/selector/vendor");
  }
  Mistakes mistakes;
  CHECK(from_body({{"vendor", json(std::vector<std::string>(64, "8086"))}}, mistakes).vendor.values.size() == 64);
  CHECK(mistakes.none());
}

}  // namespace devbindd::selector_fields_test
