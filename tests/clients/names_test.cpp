// SPDX-License-Identifier: Apache-2.0
#include "clients/api/names.hpp"

#include "tests/catch2.hpp"

namespace devbindd::clients {

TEST_CASE("An address is written in full, however people shorten it") {
  CHECK(full_address("0000:05:00.0") == "0000:05:00.0");
  CHECK(full_address("05:00.0") == "0000:05:00.0");
  CHECK(full_address("5:0") == "0000:05:00.0");
  CHECK(full_address("5:1f.7") == "0000:05:1f.7");
  CHECK(full_address("10000:1:0") == "10000:01:00.0");
  CHECK(full_address("AF:0b.1") == "0000:af:0b.1");
}

TEST_CASE("What is no address is none") {
  for (const char* text : {"", "5", ":", "5:", ":0", "5:20", "100:00.0", "5:0.8", "5:0.", "5:0.1.2", "eth0", "5:g",
                           "1:2:3:4", "-1:0", "0x5:0", "5: 0", " 5:0"})
    CHECK_FALSE(full_address(text).has_value());
}

TEST_CASE("A group is a number, a node or named as a group") {
  CHECK(group_number("26") == 26U);
  CHECK(group_number("group:26") == 26U);
  CHECK(group_number("/dev/vfio/26") == 26U);
  for (const char* text : {"", "26a", "12345678", "group:", "-1", "5:0", "0x1a"})
    CHECK_FALSE(group_number(text).has_value());
}

TEST_CASE("A claim is named by its id or the beginning of it") {
  CHECK(claim_id("82a1225e") == "82a1225e");
  CHECK(claim_id("/v1/claims/82a1225e-d828-4a1a-9abe-8f6884b8fd9a") == "82a1225e-d828-4a1a-9abe-8f6884b8fd9a");
  for (const char* text : {"", "82a1225", "eth0eth0", "0000:05:00.0", "82a1225e-d828-4a1a-9abe-8f6884b8fd9a0"})
    CHECK_FALSE(claim_id(text).has_value());
}

TEST_CASE("Pairs may stand in one word, and values with commas stay whole") {
  using Pairs = std::vector<std::string>;
  CHECK(pairs_in("vendor=8086,device=10d3") == Pairs{"vendor=8086", "device=10d3"});
  CHECK(pairs_in("driver=nvme,vfio-pci,category=storage") == Pairs{"driver=nvme,vfio-pci", "category=storage"});
  CHECK(pairs_in("driver=") == Pairs{"driver="});
  CHECK(pairs_in("nonsense") == Pairs{"nonsense"});
}

TEST_CASE("Times and sizes have units") {
  CHECK(seconds_of("90") == 90U);
  CHECK(seconds_of("90s") == 90U);
  CHECK(seconds_of("5m") == 300U);
  CHECK(seconds_of("2h") == 7200U);
  CHECK(seconds_of("1d") == 86400U);
  for (const char* text : {"", "m", "5w", "-5", "1.5h", "99999999999999999999", "999999999999999999d"})
    CHECK_FALSE(seconds_of(text).has_value());
  CHECK(size_of("4096") == 4096U);
  CHECK(size_of("4K") == 4096U);
  CHECK(size_of("512MiB") == 512ULL << 20);
  CHECK(size_of("8G") == 8ULL << 30);
  CHECK(size_of("1TB") == 1ULL << 40);
  for (const char* text : {"", "G", "B", "8X", "-1", "99999999999T"}) CHECK_FALSE(size_of(text).has_value());
}

}  // namespace devbindd::clients
