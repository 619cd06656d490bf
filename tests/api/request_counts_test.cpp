// SPDX-License-Identifier: Apache-2.0
// Requests are counted by their route, and nobody can make up another line.
#include "api/http/request_counts.hpp"

#include "tests/catch2.hpp"

namespace devbindd::request_counts_test {

using namespace devbindd::api;

TEST_CASE("Requests are counted by route, method and class of status", "[metrics]") {
  RequestCounts counts;
  AccessRecord record{
      .method = "GET", .route = "/v1/devices/{bdf}", .status = 200, .duration = std::chrono::seconds(1)};
  for (const auto* target : {"/v1/devices/0000:00:01.0", "/v1/devices/0000:00:02.0"}) {
    record.target = target;
    counts.add(record);
  }
  record.status = 404;
  counts.add(record);
  REQUIRE(counts.all().size() == 1);
  const auto& count = counts.all().begin()->second;
  CHECK(count.by_class == std::array<std::uint64_t, 5>{0, 2, 0, 1, 0});
  CHECK(count.durations.count() == 3);
  CHECK(count.durations.seconds() == 3);
}

TEST_CASE("Methods that nobody knows are one, and so are requests without a route", "[metrics]") {
  RequestCounts counts;
  for (const auto* method : {"BREW", "FOO", "-", ""}) counts.add({.method = method, .target = method, .status = 501});
  counts.add({.method = "GET", .status = 999});
  CHECK(counts.all().size() == 2);
  CHECK(counts.all().at({"", "other"}).by_class[4] == 4);
  CHECK(counts.all().at({"", "GET"}).by_class[4] == 1);
}

}  // namespace devbindd::request_counts_test
