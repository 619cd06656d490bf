// SPDX-License-Identifier: Apache-2.0
// The kernel's answers about regions and IRQs, byte for byte: capability chains good and bad, and what may be mapped.
#include "vfio/region.hpp"

#include <linux/vfio.h>

#include <cstring>

#include "tests/catch2.hpp"

namespace devbindd::region_test {

namespace {

using namespace devbindd;
using namespace devbindd::vfio;
using Bytes = std::vector<std::byte>;
using Names = std::vector<std::string>;
using Areas = std::vector<SparseArea>;

template <class Struct>
void append(Bytes& bytes, const Struct& value) {
  const auto at = bytes.size();
  bytes.resize(at + sizeof value);
  std::memcpy(bytes.data() + at, &value, sizeof value);
}

constexpr std::uint32_t rw_mappable =
    VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE | VFIO_REGION_INFO_FLAG_MMAP;

// The fixed part; capabilities begin behind it when `flags` say that there are some.
Bytes info(std::uint32_t flags = rw_mappable | VFIO_REGION_INFO_FLAG_CAPS, std::uint32_t cap_offset = 32,
           std::uint64_t size = 0x8000) {
  Bytes bytes;
  append(bytes,
         vfio_region_info{
             .argsz = 32, .flags = flags, .index = 2, .cap_offset = cap_offset, .size = size, .offset = 0x20000000000});
  return bytes;
}

void add_header(Bytes& bytes, std::uint16_t id, std::uint32_t next, std::uint16_t version = 1) {
  append(bytes, vfio_info_cap_header{.id = id, .version = version, .next = next});
}

void add_sparse(Bytes& bytes, const Areas& areas, std::uint32_t next = 0, std::optional<std::uint32_t> count = {}) {
  add_header(bytes, VFIO_REGION_INFO_CAP_SPARSE_MMAP, next);
  append(bytes, count.value_or(static_cast<std::uint32_t>(areas.size())));
  append(bytes, std::uint32_t{0});
  for (const auto& area : areas) append(bytes, vfio_region_sparse_mmap_area{area.offset, area.size});
}

Region parsed(const Bytes& bytes) { return parse_region_info(2, bytes).value(); }

}  // namespace

TEST_CASE("A region without capabilities") {
  const auto region = parsed(info(rw_mappable, 0, 0x20000));
  CHECK(region == Region{.index = 2,
                         .present = true,
                         .errno_value = 0,
                         .flags = 7,
                         .size = 0x20000,
                         .offset = 0x20000000000,
                         .capabilities = {},
                         .problems = {}});
  CHECK(parsed(info(rw_mappable, 32)).capabilities.empty());  // without the flag the offset means nothing
}

TEST_CASE("A sparse capability without areas, as a hinic card has it: nothing may be mapped") {
  auto bytes = info();
  add_sparse(bytes, {});
  bytes.resize(64);  // the kernel made room for an area
  const auto region = parsed(bytes);
  REQUIRE(region.capabilities.size() == 1);
  CHECK(region.capabilities[0] ==
        RegionCapability{.id = 1, .version = 1, .areas = {}, .type = {}, .subtype = {}, .length = 24});
  CHECK(region.problems.empty());
  CHECK(mappable(region).areas.empty());
  CHECK_THAT(mappable(region).reason, devbindd::tests::has_text("names no area"));
}

TEST_CASE("A sparse capability with areas: they may be mapped, empty ones aside") {
  auto bytes = info();
  add_sparse(bytes, {{0, 0x2000}, {0x3000, 0}, {0x4000, 0x4000}});
  const auto region = parsed(bytes);
  REQUIRE(region.capabilities.size() == 1);
  CHECK(region.capabilities[0].areas == Areas{{0, 0x2000}, {0x3000, 0}, {0x4000, 0x4000}});
  CHECK(mappable(region).areas == Areas{{0, 0x2000}, {0x4000, 0x4000}});
  CHECK(mappable(region).reason == "only the areas of the sparse mmap capability");
}

TEST_CASE("A sparse capability whose areas are all empty is one without areas") {
  auto bytes = info();
  add_sparse(bytes, {{0x1000, 0}});
  CHECK(mappable(parsed(bytes)).areas.empty());
  CHECK_THAT(mappable(parsed(bytes)).reason, devbindd::tests::has_text("names no area"));
}

TEST_CASE("A sparse capability that claims more areas than came is a problem, with those that came") {
  const auto count = GENERATE(3U, 0xffffffffU);
  auto bytes = info();
  add_sparse(bytes, {{0, 0x1000}, {0x2000, 0x1000}}, 0, count);
  bytes.resize(bytes.size() + 15);  // almost a third one
  const auto region = parsed(bytes);
  CHECK(region.capabilities.at(0).areas == Areas{{0, 0x1000}, {0x2000, 0x1000}});
  CHECK(region.problems ==
        Names{"the sparse mmap capability has fewer areas than it says (" + std::to_string(count) + ")"});
}

TEST_CASE("A sparse capability without room for its count is a problem") {
  auto bytes = info();
  add_header(bytes, 1, 0);
  bytes.resize(bytes.size() + 7);
  const auto region = parsed(bytes);
  CHECK(region.capabilities.size() == 1);
  CHECK(region.problems == Names{"the sparse mmap capability is cut off"});
}

TEST_CASE("Every capability of a chain is read, those of unknown IDs by number and length") {
  auto bytes = info();
  add_header(bytes, VFIO_REGION_INFO_CAP_TYPE, 48);
  append(bytes, std::uint32_t{0x80008086});
  append(bytes, std::uint32_t{2});
  add_header(bytes, 777, 68, 3);
  bytes.resize(68);
  add_header(bytes, VFIO_REGION_INFO_CAP_MSIX_MAPPABLE, 0);
  const auto region = parsed(bytes);
  CHECK(region.problems.empty());
  CHECK(region.capabilities == std::vector<RegionCapability>{
                                   {.id = 2, .version = 1, .areas = {}, .type = 0x80008086, .subtype = 2, .length = 8},
                                   {.id = 777, .version = 3, .areas = {}, .type = {}, .subtype = {}, .length = 12},
                                   {.id = 3, .version = 1, .areas = {}, .type = {}, .subtype = {}, .length = 0}});
  CHECK(mappable(region).areas == Areas{{0, 0x8000}});
  CHECK(mappable(region).reason == "the whole region");
}

TEST_CASE("A type that is cut off is no type") {
  auto bytes = info();
  add_header(bytes, VFIO_REGION_INFO_CAP_TYPE, 0);
  append(bytes, std::uint32_t{1});
  CHECK(!parsed(bytes).capabilities.at(0).type);
  CHECK(!parsed(bytes).capabilities.at(0).subtype);
}

TEST_CASE("A chain that leads where no capability can be is cut there, and that is a problem") {
  // where the chain begins, where its one good capability at 32 leads, how many are read
  const auto [first, next, count, bad] =
      GENERATE(table<std::uint32_t, std::uint32_t, std::size_t, std::uint32_t>({{31, 0, 0, 31},  // the fixed part
                                                                                {4, 0, 0, 4},
                                                                                {57, 0, 0, 57},  // 7 bytes are left
                                                                                {64, 0, 0, 64},
                                                                                {0xffffffff, 0, 0, 0xffffffff},
                                                                                {32, 32, 1, 32},  // itself
                                                                                {32, 39, 1, 39},  // its own header
                                                                                {32, 8, 1, 8},    // backward
                                                                                {32, 60, 1, 60},
                                                                                {32, 0xfffffff8, 1, 0xfffffff8}}));
  CAPTURE(first, next);
  auto bytes = info(rw_mappable | VFIO_REGION_INFO_FLAG_CAPS, first);
  add_header(bytes, 9, next);
  bytes.resize(64);
  const auto region = parsed(bytes);
  CHECK(region.capabilities.size() == count);
  CHECK(region.problems ==
        Names{"the capability chain leads to offset " + std::to_string(bad) + ", where no capability can be"});
}

TEST_CASE("A capability whose successor begins within its header has a length of what came") {
  auto bytes = info();
  add_header(bytes, 9, 34);
  bytes.resize(64);
  const auto region = parsed(bytes);
  REQUIRE(region.capabilities.size() == 1);
  CHECK(region.capabilities[0].length == 24);
  CHECK(region.problems.size() == 1);
}

TEST_CASE("A chain that comes back is not followed") {
  auto bytes = info();
  add_header(bytes, 9, 40);
  add_header(bytes, 10, 32);
  const auto region = parsed(bytes);
  CHECK(region.capabilities.size() == 2);
  CHECK(region.problems == Names{"the capability chain leads to offset 32, where no capability can be"});
}

TEST_CASE("A chain of very many capabilities is given up after 64") {
  auto bytes = info();
  for (std::uint32_t link = 1; link <= 100; ++link) add_header(bytes, 9, link == 100 ? 0 : 32 + link * 8);
  const auto region = parsed(bytes);
  CHECK(region.capabilities.size() == 64);
  CHECK(region.problems.size() == 1);
}

TEST_CASE("An offset of 0 is no capability") { CHECK(parsed(info(rw_mappable | 8U, 0)).capabilities.empty()); }

// The kernel sets the flag and leaves the offset 0 when the buffer is too small for the chain.
TEST_CASE("Where the chain did not fit nobody knows what may be mapped") {
  const auto region = parsed(info(rw_mappable | VFIO_REGION_INFO_FLAG_CAPS, 0));
  CHECK(!region.problems.empty());
  CHECK(mappable(region).areas.empty());
}

TEST_CASE("Where the chain breaks off before a sparse capability nobody knows what may be mapped") {
  auto bytes = info();
  add_header(bytes, 9, 8);
  CHECK(mappable(parsed(bytes)).areas.empty());
}

TEST_CASE("Areas that reach beyond the region are not offered for mapping") {
  auto bytes = info(rw_mappable | VFIO_REGION_INFO_FLAG_CAPS, 32, 0x8000);
  add_sparse(bytes, {{0x7000, 0x2000}, {0x1000, 0xfffffffffffff000}});
  CHECK(mappable(parsed(bytes)).areas.empty());
}

TEST_CASE("An answer shorter than its fixed part is an error") {
  for (std::size_t size = 0; size < 32; ++size) {
    CAPTURE(size);
    const auto region = parse_region_info(0, Bytes(size));
    REQUIRE(!region);
    CHECK(region.error().code == sysfs::ErrorCode::Kernel);
    CHECK(parse_irq_info(0, Bytes(size)).has_value() == (size >= 16));
  }
}

TEST_CASE("An IRQ's flags and count") {
  Bytes bytes;
  append(bytes, vfio_irq_info{.argsz = 16, .flags = 9, .index = 2, .count = 32});
  CHECK(parse_irq_info(2, bytes).value() ==
        Irq{.index = 2, .present = true, .errno_value = 0, .flags = 9, .count = 32});
}

TEST_CASE("Without the flag nothing may be mapped, whatever else is said") {
  auto bytes = info(VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_CAPS);
  add_sparse(bytes, {{0, 0x1000}});
  CHECK(mappable(parsed(bytes)).areas.empty());
  CHECK_THAT(mappable(parsed(bytes)).reason, devbindd::tests::has_text("no MMAP flag"));
}

TEST_CASE("Of an absent region nothing may be mapped") {
  CHECK(
      mappable({.index = 8, .present = false, .flags = rw_mappable, .size = 0x1000, .capabilities = {}, .problems = {}})
          .areas.empty());
  const auto empty = mappable(parsed(info(rw_mappable, 0, 0)));
  CHECK(empty.areas.empty());
  CHECK(empty.reason == "the region is absent");
}

TEST_CASE("Flags have names, and unknown ones their number") {
  CHECK(region_flag_names(0xf) == Names{"read", "write", "mmap", "caps"});
  CHECK(region_flag_names(0x80000012) == Names{"write", "bit_4", "bit_31"});
  CHECK(region_flag_names(0).empty());
  CHECK(irq_flag_names(0x1f) == Names{"eventfd", "maskable", "automasked", "noresize", "bit_4"});
  CHECK(device_flag_names(0x3ff) ==
        Names{"reset", "pci", "platform", "amba", "ccw", "ap", "fsl_mc", "caps", "cdx", "bit_9"});
}

TEST_CASE("Regions, IRQs and capabilities have names") {
  Names regions;
  for (unsigned index = 0; index < 10; ++index) regions.push_back(region_name(index));
  CHECK(regions == Names{"bar0", "bar1", "bar2", "bar3", "bar4", "bar5", "rom", "config", "vga", "device_9"});
  Names irqs;
  for (unsigned index = 0; index < 6; ++index) irqs.push_back(irq_name(index));
  CHECK(irqs == Names{"intx", "msi", "msix", "err", "req", "device_5"});
  Names capabilities;
  for (std::uint16_t id = 0; id < 7; ++id) capabilities.emplace_back(region_capability_name(id));
  CHECK(capabilities ==
        Names{"unknown", "sparse_mmap", "type", "msix_mappable", "nvlink2_ssatgt", "nvlink2_lnkspd", "unknown"});
}

}  // namespace devbindd::region_test
