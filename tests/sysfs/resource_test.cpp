// SPDX-License-Identifier: Apache-2.0
// The `resource` file: which line is what on which kernel, and what its flags say.
#include "sysfs/device/resource.hpp"

#include <cstdio>

#include "tests/catch2.hpp"

namespace devbindd::resource_test {

namespace {

using namespace devbindd::sysfs;
using Resources = std::vector<Resource>;

const std::string unused = "0x0000000000000000 0x0000000000000000 0x0000000000000000\n";

std::string line(std::uint64_t start, std::uint64_t end, std::uint64_t flags) {
  std::array<char, 64> text{};
  std::snprintf(text.data(), text.size(), "0x%016llx 0x%016llx 0x%016llx\n", static_cast<unsigned long long>(start),
                static_cast<unsigned long long>(end), static_cast<unsigned long long>(flags));
  return text.data();
}

// A file of so many lines: line n begins at n * 0x10000 and has n + 1 times 16 bytes.
std::string lines(unsigned count) {
  std::string text;
  for (unsigned at = 0; at < count; ++at) text += line(0x10000 + at * 0x10000, 0x10000 + at * 0x10000 + at, 0x200);
  return text;
}

std::vector<std::pair<ResourceKind, unsigned>> places(const Resources& resources) {
  std::vector<std::pair<ResourceKind, unsigned>> found;
  for (const auto& resource : resources) found.emplace_back(resource.kind, resource.index);
  return found;
}

}  // namespace

TEST_CASE("Which line is what depends on how many there are") {
  const auto [count, vf_bars, windows] =
      GENERATE(table<unsigned, unsigned, unsigned>({{7, 0, 0}, {11, 0, 4}, {13, 6, 0}, {17, 6, 4}}));
  CAPTURE(count);
  std::vector<std::pair<ResourceKind, unsigned>> expected;
  for (unsigned at = 0; at < 6; ++at) expected.emplace_back(ResourceKind::Bar, at);
  expected.emplace_back(ResourceKind::Rom, 0);
  for (unsigned at = 0; at < vf_bars; ++at) expected.emplace_back(ResourceKind::VfBar, at);
  for (unsigned at = 0; at < windows; ++at) expected.emplace_back(ResourceKind::BridgeWindow, at);
  const auto resources = parse_resources(lines(count)).value();
  CHECK(places(resources) == expected);
  for (unsigned at = 0; at < count; ++at) {
    CHECK(resources[at].start == 0x10000 + at * 0x10000);
    CHECK(resources[at].size == at + 1);
  }
}

TEST_CASE("Unused lines are left out and shift no index") {
  const auto resources = parse_resources(unused + unused + line(0x1000, 0x1fff, 0x40200) + unused + unused + unused +
                                         line(0xe9200000, 0xe92fffff, 0x46200) + unused + unused +
                                         line(0x10000, 0x1ffff, 0x14220c) + unused + unused + unused)
                             .value();
  CHECK(places(resources) == std::vector<std::pair<ResourceKind, unsigned>>{
                                 {ResourceKind::Bar, 2}, {ResourceKind::Rom, 0}, {ResourceKind::VfBar, 2}});
  CHECK(parse_resources("").value().empty());
  CHECK(parse_resources(unused).value().empty());
}

TEST_CASE("The flags of a line are read") {
  Resource expected{.kind = ResourceKind::Bar,
                    .index = 0,
                    .start = 0x80007b00000,
                    .size = 0x20000,
                    .flags = 0x14220c,
                    .io = false,
                    .prefetchable = true,
                    .is_64bit = true,
                    .unassigned = false};
  CHECK(parse_resources(line(0x80007b00000, 0x80007b1ffff, 0x14220c)).value() == Resources{expected});
  expected = {.kind = ResourceKind::Bar, .index = 0, .start = 0xc000, .size = 32, .flags = 0x40101, .io = true};
  CHECK(parse_resources(line(0xc000, 0xc01f, 0x40101)).value() == Resources{expected});
  expected = {.kind = ResourceKind::Bar, .index = 0, .start = 0xfe000000, .size = 0x1000, .flags = 0x40200};
  CHECK(parse_resources(line(0xfe000000, 0xfe000fff, 0x40200)).value() == Resources{expected});
}

TEST_CASE("A BAR for which there was no room has a size and no address") {
  const Resource expected{
      .kind = ResourceKind::Bar, .index = 0, .start = 0, .size = 0x100000, .flags = 0x20040200, .unassigned = true};
  CHECK(parse_resources(line(0, 0xfffff, 0x20040200)).value() == Resources{expected});
}

TEST_CASE("A line with flags and nothing behind them is unused") {
  CHECK(parse_resources(line(0, 0, 0x40200)).value().empty());
  CHECK(parse_resources(line(0x2000, 0x1fff, 0x200)).value().empty());  // a closed bridge window
  CHECK(parse_resources(line(0x1000, 0x1000, 0x100)).value().front().size == 1);
  CHECK(parse_resources(line(0, 0xffffffffffffffff, 0x200)).value().empty());  // no number could be its size
}

TEST_CASE("A line without flags is unused whatever its addresses are") {
  CHECK(parse_resources(line(0x1000, 0x1fff, 0)).value().empty());
}

TEST_CASE("The last line may lack its end") {
  auto text = line(0x1000, 0x1fff, 0x200);
  text.pop_back();
  CHECK(parse_resources(text).value().size() == 1);
}

TEST_CASE("A line that is not three numbers is an error that names it") {
  const auto bad = GENERATE(values<std::string>(
      {"\n", "x\n", "0x1 0x2\n", "0x1 0x2 0x3 0x4\n", "1 2 3\n", "0x1 0x2 3\n", "0x1  0x2 0x3\n", "0x1 0x2 0x3 \n",
       "0x 0x2 0x3\n", "0x1 0x2 0x\n", "0x1 0x2 0x11112222333344445\n", "0xg 0x2 0x3\n", "-0x1 0x2 0x3\n", " \n"}));
  CAPTURE(bad);
  const auto resources = parse_resources(unused + bad + unused);
  REQUIRE(!resources);
  CHECK(resources.error().code == ErrorCode::Kernel);
  CHECK(resources.error().message == "line 1 of a resource file is not three numbers");
}

TEST_CASE("A BAR and the ROM are found by what they are") {
  const auto resources = parse_resources(lines(17)).value();
  REQUIRE(find_bar(resources, 5) != nullptr);
  CHECK(find_bar(resources, 5)->start == 0x60000);
  CHECK(find_bar(resources, 6) == nullptr);
  REQUIRE(find_rom(resources) != nullptr);
  CHECK(find_rom(resources)->start == 0x70000);
  CHECK(find_rom(parse_resources(lines(6)).value()) == nullptr);
  CHECK(find_bar({}, 0) == nullptr);
}

}  // namespace devbindd::resource_test
