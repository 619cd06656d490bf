// SPDX-License-Identifier: Apache-2.0
// What VFIO would report, derived from BARs and configuration spaces made by hand.
#include "vfio/passive_regions.hpp"

#include "tests/catch2.hpp"

namespace devbindd::passive_regions_test {

namespace {

using namespace devbindd;
using namespace devbindd::vfio;
using sysfs::ConfigSpace;
using sysfs::Resource;
using sysfs::ResourceKind;

struct Space {
  explicit Space(std::size_t size = 4096) : config{.bytes = std::vector<std::byte>(size), .file_size = size} {}
  Space& put(std::size_t offset, unsigned value, std::size_t size) {
    for (std::size_t byte = 0; byte < size; ++byte)
      config.bytes[offset + byte] = static_cast<std::byte>(value >> (8 * byte));
    return *this;
  }
  /// The first of the standard list, or one behind `before`.
  Space& capability(std::size_t offset, unsigned id, std::size_t before = 0) {
    put(0x06, 0x10, 2);
    put(before == 0 ? 0x34 : before + 1, static_cast<unsigned>(offset), 1);
    return put(offset, id, 1);
  }
  ConfigSpace config;
};

Resource bar(unsigned index, std::uint64_t size) {
  return {.kind = ResourceKind::Bar, .index = index, .start = 0xfe000000, .size = size, .flags = 0x40200};
}

PassiveReport report(const std::vector<Resource>& resources, const ConfigSpace& config, bool virtual_function = false) {
  return passive_report(resources, config, virtual_function);
}

constexpr std::uint32_t none = 0;
constexpr std::uint32_t read_write = 3;
constexpr std::uint32_t read_write_mmap = 7;

}  // namespace

TEST_CASE("A device without anything has nine indices and five IRQs all the same") {
  const auto found = report({}, Space(256).config);
  REQUIRE(found.regions.size() == 9);
  for (unsigned index = 0; index < 9; ++index) {
    CAPTURE(index);
    const auto& region = found.regions[index];
    CHECK(region.index == index);
    CHECK(region.offset == std::uint64_t{index} << 40U);
    CHECK(region.present == (index != 8));
    CHECK(region.size == (index == 7 ? 256 : 0));
    CHECK(region.flags == (index == 7 ? read_write : none));
    CHECK(region.capabilities.empty());
  }
  CHECK(found.irqs == std::vector<Irq>{{.index = 0, .flags = 7, .count = 0},
                                       {.index = 1, .flags = 9, .count = 0},
                                       {.index = 2, .flags = 9, .count = 0},
                                       {.index = 3, .present = false, .flags = 9, .count = 0},
                                       {.index = 4, .flags = 9, .count = 1}});
  CHECK(found.unknown_because.empty());
  CHECK(!found.msix_table);
  CHECK(!found.msix_pending);
}

TEST_CASE("The size of config space is that of the file, however much could be read") {
  auto space = Space(4096);
  CHECK(report({}, space.config).regions[7].size == 4096);
  space.config.bytes.resize(64);
  CHECK(report({}, space.config).regions[7].size == 4096);
  space.config.file_size.reset();
  CHECK(report({}, space.config).regions[7].size == 64);
}

TEST_CASE("Which BARs can be mapped") {
  auto resource = bar(3, 0x1000);
  auto flags = read_write_mmap;
  SECTION("memory of a page") {}
  SECTION("memory of less than a page") {
    resource.size = 0xfff;
    flags = read_write;
  }
  SECTION("I/O ports") {
    resource.io = true;
    flags = read_write;
  }
  SECTION("memory without an address") {
    resource.unassigned = true;
    flags = read_write;
  }
  const auto found = report({resource}, Space().config);
  CHECK(found.regions[3].size == resource.size);
  CHECK(found.regions[3].flags == flags);
  for (const unsigned other : {0U, 1U, 2U, 4U, 5U}) CHECK(found.regions[other].size == 0);
}

TEST_CASE("A ROM can be read, and VF BARs and bridge windows are no regions") {
  const std::vector<Resource> resources{
      {.kind = ResourceKind::Rom, .index = 0, .start = 0xe9200000, .size = 0x100000, .flags = 0x46200},
      {.kind = ResourceKind::VfBar, .index = 1, .start = 0xe0000000, .size = 0x10000, .flags = 0x40200},
      {.kind = ResourceKind::BridgeWindow, .index = 2, .start = 0xd0000000, .size = 0x10000, .flags = 0x200}};
  const auto found = report(resources, Space().config);
  CHECK(found.regions[6].size == 0x100000);
  CHECK(found.regions[6].flags == 1);
  for (unsigned index = 0; index < 6; ++index) CHECK(found.regions[index].size == 0);
}

TEST_CASE("INTx is there when there is a pin, and never on a virtual function") {
  const auto pin = GENERATE(0U, 1U, 4U);
  auto space = Space();
  space.put(0x3d, pin, 1);
  CHECK(report({}, space.config).irqs[0].count == (pin == 0 ? 0 : 1));
  CHECK(report({}, space.config, true).irqs[0].count == 0);
}

TEST_CASE("MSI vectors by the size of a message") {
  const auto [control, count] =
      GENERATE(table<unsigned, std::uint32_t>({{0x0, 1}, {0x81, 1}, {0x2, 2}, {0x8a, 32}, {0x70, 1}}));
  CAPTURE(control);
  auto space = Space();
  space.capability(0x50, 0x05).put(0x52, control, 2);
  CHECK(report({}, space.config).irqs[1].count == count);
}

TEST_CASE("MSI-X: vectors, tables, and the capability of the BAR that holds the table") {
  auto space = Space();
  space.capability(0x50, 0x01).capability(0x70, 0x11, 0x50);
  space.put(0x72, 0x8041, 2).put(0x74, 0x2002, 4).put(0x78, 0x3004, 4);  // 66 vectors
  const auto found = report({bar(0, 0x20000), bar(2, 0x8000), bar(4, 0x100000)}, space.config);
  CHECK(found.irqs[2].count == 66);
  CHECK(found.msix_table == MsixTable{.bar = 2, .offset = 0x2000, .size = 66 * 16});
  CHECK(found.msix_pending == MsixTable{.bar = 4, .offset = 0x3000, .size = 16});
  CHECK(found.regions[2].flags == 0xf);
  REQUIRE(found.regions[2].capabilities.size() == 1);
  CHECK(found.regions[2].capabilities[0].id == capability_msix_mappable);
  CHECK(found.regions[2].capabilities[0].version == 1);
  CHECK(mappable(found.regions[2]).areas == std::vector<SparseArea>{{0, 0x8000}});
  CHECK(found.regions[0].flags == read_write_mmap);
  CHECK(found.regions[4].flags == read_write_mmap);
  CHECK(found.regions[4].capabilities.empty());
}

TEST_CASE("The pending bits take 8 bytes for every 64 vectors") {
  const auto [vectors, size] =
      GENERATE(table<unsigned, std::uint64_t>({{1, 8}, {63, 8}, {64, 8}, {65, 16}, {128, 16}, {2048, 256}}));
  CAPTURE(vectors);
  auto space = Space();
  space.capability(0x50, 0x11).put(0x52, vectors - 1, 2);
  const auto found = report({}, space.config);
  CHECK(found.irqs[2].count == vectors);
  CHECK(found.msix_table == MsixTable{.bar = 0, .offset = 0, .size = vectors * 16});
  CHECK(found.msix_pending == MsixTable{.bar = 0, .offset = 0, .size = size});
}

TEST_CASE("The table of a BAR that cannot be mapped gives it no capability") {
  auto space = Space();
  space.capability(0x50, 0x11).put(0x52, 0, 2).put(0x54, 0, 4).put(0x58, 0x800, 4);
  const auto found = report({bar(0, 0x800)}, space.config);
  CHECK(found.irqs[2].count == 1);
  CHECK(found.msix_table == MsixTable{.bar = 0, .offset = 0, .size = 16});
  CHECK(found.msix_pending == MsixTable{.bar = 0, .offset = 0x800, .size = 8});
  CHECK(found.regions[0].flags == read_write);
  CHECK(found.regions[0].capabilities.empty());
}

TEST_CASE("An MSI-X capability that is cut off says nothing") {
  auto space = Space(256);
  space.capability(0xf8, 0x11).put(0xfa, 7, 2);  // the place of the pending bits would be at 256
  const auto found = report({bar(0, 0x1000)}, space.config);
  CHECK(found.irqs[2].count == 0);
  CHECK(!found.msix_table);
}

TEST_CASE("Errors are told on PCI Express only") {
  auto space = Space();
  space.capability(0x50, 0x10);
  CHECK(report({}, space.config).irqs[3] == Irq{.index = 3, .present = true, .flags = 9, .count = 1});
}

TEST_CASE("The header alone does not tell of MSI, and that is said") {
  auto space = Space();
  space.put(0x3d, 1, 1).capability(0x50, 0x11).put(0x52, 7, 2);
  const auto bytes = GENERATE(64U, 128U);
  space.config.bytes.resize(bytes);
  const auto found = report({bar(0, 0x1000)}, space.config);
  CHECK_THAT(found.unknown_because, devbindd::tests::has_text(bytes == 64 ? "CAP_SYS_ADMIN" : "after 128 bytes"));
  CHECK(found.irqs[0].count == 1);
  CHECK(found.regions[0].flags == read_write_mmap + (bytes == 64 ? 0 : 8));
}

TEST_CASE(
    "A device that does not answer has unknown interrupts, and its silence is the reason, however much was read") {
  const auto bytes = GENERATE(64U, 256U, 4096U);
  CAPTURE(bytes);
  auto space = Space();
  std::ranges::fill(space.config.bytes, std::byte{0xff});
  space.config.bytes.resize(bytes);
  const auto found = report({}, space.config);
  CHECK_THAT(found.unknown_because, devbindd::tests::has_text("all ones"));
  CHECK_THAT(found.unknown_because, !devbindd::tests::has_text("CAP_SYS_ADMIN"));
  for (unsigned index = 0; index < 3; ++index) CHECK(found.irqs[index].count == 0);
  CHECK(!found.msix_table);
}

TEST_CASE("A list of capabilities that breaks off is the reason why the interrupts behind it are not known") {
  auto space = Space();
  SECTION("it leads to all ones") { space.capability(0x50, 0x01).put(0x51, 0x60, 1).put(0x60, 0xff, 1); }
  SECTION("it leads to itself") { space.capability(0x50, 0x01).put(0x51, 0x50, 1); }
  SECTION("it leads into the header") { space.capability(0x50, 0x01).put(0x51, 0x10, 1); }
  const auto found = report({}, space.config);
  CHECK_THAT(found.unknown_because, devbindd::tests::has_text("cannot be followed: the standard list at 0x"));
  auto whole = Space();
  whole.capability(0x50, 0x01);
  CHECK(report({}, whole.config).unknown_because.empty());
}

}  // namespace devbindd::passive_regions_test
