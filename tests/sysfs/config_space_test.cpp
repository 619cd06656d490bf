// SPDX-License-Identifier: Apache-2.0
// The header and the walks: good lists, and every way in which a list can be bad.
#include "sysfs/config_space/config_space.hpp"

#include <cstring>

#include "tests/catch2.hpp"

namespace devbindd::config_space_test {

namespace {

using namespace devbindd::sysfs;

// A function with an empty standard list, to be filled by the tests.
struct Space {
  explicit Space(std::size_t size) {
    config.bytes.assign(size, std::byte{0});
    config.file_size = size;
    put(0x00, 0x10d38086, 4);
    put(0x04, 0x00100406, 4);
  }
  void put(std::size_t offset, std::uint32_t value, std::size_t size) {
    for (std::size_t at = 0; at < size; ++at) config.bytes[offset + at] = static_cast<std::byte>(value >> (8 * at));
  }
  void first(std::size_t offset) { put(0x34, static_cast<std::uint32_t>(offset), 1); }
  void standard(std::size_t offset, unsigned id, std::size_t next) {
    put(offset, id | static_cast<std::uint32_t>(next) << 8U, 2);
  }
  void extended(std::size_t offset, unsigned id, std::size_t next) {
    put(offset, id | 1U << 16U | static_cast<std::uint32_t>(next) << 20U, 4);
  }
  void cut(std::size_t size) { config.bytes.resize(size); }
  CapabilityLists walk() const { return walk_capabilities(config); }

  ConfigSpace config;
};

std::vector<std::size_t> offsets(const std::optional<std::vector<CapabilityHeader>>& list) {
  std::vector<std::size_t> found;
  for (const auto& header : list.value()) found.push_back(header.offset);
  return found;
}

using Offsets = std::vector<std::size_t>;

void check_problem(const CapabilityLists& lists, ListProblemKind kind, ListKind list, std::size_t offset) {
  REQUIRE(lists.problems.size() == 1);
  CHECK(lists.problems[0].kind == kind);
  CHECK(lists.problems[0].list == list);
  CHECK(lists.problems[0].offset == offset);
  CHECK(!lists.problems[0].detail.empty());
}

const Field* field(const Fields& fields, std::string_view name) {
  for (const auto& candidate : fields) {
    if (candidate.name == name) return &candidate;
  }
  return nullptr;
}

}  // namespace

TEST_CASE("Both lists are walked in their own order") {
  Space space(extended_bytes);
  space.first(0xc8);
  space.standard(0xc8, 0x01, 0x52);  // the two lowest bits of a pointer are reserved
  space.standard(0x50, 0x10, 0);
  space.extended(0x100, 0x01, 0x200);
  space.extended(0x200, 0x0d, 0x140);
  space.extended(0x140, 0x10, 0);
  const auto lists = space.walk();
  CHECK(lists.problems.empty());
  CHECK(offsets(lists.standard) == Offsets{0xc8, 0x50});
  CHECK(offsets(lists.extended) == Offsets{0x100, 0x200, 0x140});
  CHECK(lists.extended->at(0).version == 1U);
  CHECK(lists.standard->at(0).next == 0x50);
  CHECK(lists.standard->at(0).bytes.size() == conventional_bytes - 0xc8);
}

TEST_CASE("No capabilities are an empty list, and no problem") {
  Space space(conventional_bytes);
  space.first(0x40);
  space.put(0x06, 0, 2);  // the status says that there is no list, whatever the pointer
  CHECK(offsets(space.walk().standard).empty());
  CHECK(offsets(space.walk().extended).empty());
  CHECK(offsets(Space(extended_bytes).walk().extended).empty());
  CHECK(Space(extended_bytes).walk().problems.empty());
}

TEST_CASE("A CardBus bridge keeps the pointer elsewhere") {
  Space space(conventional_bytes);
  space.put(0x0e, 0x02, 1);
  space.put(0x14, 0x80, 1);
  space.standard(0x80, 0x01, 0);
  CHECK(offsets(space.walk().standard) == Offsets{0x80});
}

TEST_CASE("A loop is reported and not followed") {
  Space space(extended_bytes);
  space.first(0x40);
  space.standard(0x40, 0x01, 0x50);
  space.standard(0x50, 0x05, 0x40);
  check_problem(space.walk(), ListProblemKind::Loop, ListKind::Standard, 0x40);
  CHECK(offsets(space.walk().standard) == Offsets{0x40, 0x50});
  space.standard(0x50, 0x05, 0);
  space.extended(0x100, 0x01, 0x100);
  check_problem(space.walk(), ListProblemKind::Loop, ListKind::Extended, 0x100);
}

TEST_CASE("A pointer into the header, or into the standard space, is out of range") {
  Space space(extended_bytes);
  space.first(0x40);
  space.standard(0x40, 0x01, 0x3c);
  check_problem(space.walk(), ListProblemKind::OutOfRange, ListKind::Standard, 0x3c);
  space.standard(0x40, 0x01, 0);
  space.extended(0x100, 0x01, 0x80);
  check_problem(space.walk(), ListProblemKind::OutOfRange, ListKind::Extended, 0x80);
  CHECK(offsets(space.walk().extended) == Offsets{0x100});
}

TEST_CASE("All ones are a broken list, and on the whole device no answer") {
  Space space(extended_bytes);
  space.first(0x40);
  space.standard(0x40, 0xff, 0xff);
  check_problem(space.walk(), ListProblemKind::AllOnes, ListKind::Standard, 0x40);
  space.first(0);
  space.put(0x100, 0xffffffff, 4);
  check_problem(space.walk(), ListProblemKind::AllOnes, ListKind::Extended, 0x100);
  space.config.bytes.assign(extended_bytes, std::byte{0xff});
  check_problem(space.walk(), ListProblemKind::AllOnes, ListKind::Standard, 0);
  CHECK(!space.walk().standard);
  CHECK(!space.walk().extended);
}

TEST_CASE("A virtual function has IDs of all ones, and answers") {
  Space space(conventional_bytes);
  space.put(0x00, 0xffffffff, 4);
  space.first(0x40);
  space.standard(0x40, 0x10, 0);
  CHECK(space.walk().problems.empty());
  CHECK(offsets(space.walk().standard) == Offsets{0x40});
}

TEST_CASE("An extended list that leads to nothing says so") {
  Space space(extended_bytes);
  space.extended(0x100, 0x01, 0x200);
  check_problem(space.walk(), ListProblemKind::Empty, ListKind::Extended, 0x200);
}

TEST_CASE("What was not read is not taken for an empty list") {
  Space space(extended_bytes);
  space.first(0x40);
  space.standard(0x40, 0x01, 0x90);
  space.standard(0x90, 0x10, 0);
  space.cut(header_bytes);
  const auto lists = space.walk();
  CHECK(!lists.standard);
  CHECK(!lists.extended);
  REQUIRE(lists.problems.size() == 2);
  CHECK(lists.problems[0].kind == ListProblemKind::Truncated);
  CHECK(missing_reason(space.config) == MissingReason::Privilege);
}

TEST_CASE("A list that goes on where nothing was read ends with a problem") {
  Space space(conventional_bytes);
  space.first(0x40);
  space.standard(0x40, 0x01, 0x90);
  space.standard(0x90, 0x10, 0);
  space.cut(0x80);
  CHECK(offsets(space.walk().standard) == Offsets{0x40});
  check_problem(space.walk(), ListProblemKind::Truncated, ListKind::Standard, 0x90);
  CHECK(missing_reason(space.config) == MissingReason::ShortRead);
  space.put(0x0e, 0x02, 1);  // of a CardBus bridge everybody may see 128 bytes
  CHECK(missing_reason(space.config) == MissingReason::Privilege);
}

TEST_CASE("64 bytes of a function without capabilities leave the extended list unknown only") {
  Space space(extended_bytes);
  space.put(0x06, 0, 2);
  space.cut(header_bytes);
  CHECK(offsets(space.walk().standard).empty());
  CHECK(!space.walk().extended);
}

TEST_CASE("Every length of a space can be walked and its header decoded") {
  Space space(extended_bytes);
  space.first(0x40);
  space.standard(0x40, 0x10, 0x80);
  space.standard(0x80, 0x05, 0);
  space.extended(0x100, 0x10, 0);
  for (std::size_t size = 0; size < 0x180; ++size) {
    auto shorter = space;
    shorter.cut(size);
    CHECK(shorter.walk().problems.size() <= 2);
    const auto header = decode_header(shorter.config);
    CHECK(header.truncated.empty() == (size >= header_bytes));
  }
}

TEST_CASE("A header of type 0 is decoded") {
  Space space(conventional_bytes);
  space.put(0x08, 0x02000003, 4);
  space.put(0x0e, 0x80, 1);
  space.put(0x10, 0xfe00000c, 4);
  space.put(0x14, 0x00000038, 4);
  space.put(0x18, 0x0000c001, 4);
  space.put(0x3d, 2, 1);
  const auto fields = decode_header(space.config).fields;
  CHECK(std::get<std::string>(field(fields, "vendor")->value) == "8086");
  CHECK(std::get<Hex>(field(fields, "class")->value).value == 0x020000);
  CHECK(std::get<std::string>(field(fields, "interrupt_pin")->value) == "B");
  const auto& command = std::get<Fields>(field(fields, "command")->value);
  CHECK(std::get<bool>(field(command, "bus_master")->value));
  CHECK(!std::get<bool>(field(command, "io_space")->value));
  const auto& type = std::get<Fields>(field(fields, "header_type")->value);
  CHECK(std::get<bool>(field(type, "multifunction")->value));
  const auto& bars = std::get<std::vector<Fields>>(field(fields, "bars")->value);
  REQUIRE(bars.size() == 2);
  CHECK(std::get<Hex>(field(bars[0], "address")->value).value == 0x38fe000000);
  CHECK(std::get<std::uint64_t>(field(bars[1], "bar")->value) == 2);
  CHECK(std::get<std::string>(field(bars[1], "type")->value) == "io");
}

TEST_CASE("A header of type 1 has buses and no subsystem") {
  Space space(conventional_bytes);
  space.put(0x0e, 0x01, 1);
  space.put(0x18, 0x00050403, 4);
  space.put(0x3e, 0x0002, 2);
  const auto fields = decode_header(space.config).fields;
  CHECK(std::get<std::uint64_t>(field(fields, "subordinate_bus")->value) == 5);
  CHECK(field(fields, "subsystem_vendor") == nullptr);
  const auto& control = std::get<Fields>(field(fields, "bridge_control")->value);
  CHECK(std::get<bool>(field(control, "serr")->value));
}

}  // namespace devbindd::config_space_test
