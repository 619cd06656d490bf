// SPDX-License-Identifier: Apache-2.0
// The parsers of the firmware's tables: real tables, tables made by hand, and tables that are damaged.
#include "sysfs/firmware/firmware_tables.hpp"

#include "tests/acpi_bytes.hpp"
#include "tests/catch2.hpp"
#include "tests/firmware_data.hpp"
#include "tests/golden.hpp"
#include "tests/sysfs/files_tree.hpp"

namespace devbindd::firmware_tables_test {

using namespace devbindd::sysfs;
using namespace devbindd::tests;

namespace {

const TableProblems& problems_of(const FirmwareTables& tables) {
  if (tables.dmar) return (**tables.dmar).problems;
  if (tables.ivrs) return (**tables.ivrs).problems;
  if (tables.iort) return (**tables.iort).problems;
  return (**tables.viot).problems;
}

std::string problems_text(const TableProblems& problems) {
  std::string text;
  for (const auto& problem : problems) text += hex_number(problem.offset) + ": " + problem.detail + "\n";
  return text;
}

// A DMAR with these structures.
Dmar dmar_with(const std::string& structures) {
  return parse_dmar(acpi_table("DMAR", 1, bytes_of({38, 1}) + std::string(10, '\0') + structures));
}

Ivrs ivrs_with(const std::string& blocks) { return parse_ivrs(acpi_table("IVRS", 2, le(0, 4) + le(0, 8) + blocks)); }

Iort iort_with(unsigned count, const std::string& nodes) {
  return parse_iort(acpi_table("IORT", 3, le(count, 4) + le(48, 4) + le(0, 4) + nodes));
}

Viot viot_with(unsigned count, const std::string& nodes) {
  return parse_viot(acpi_table("VIOT", 0, le(count, 2) + le(48, 2) + le(0, 8) + nodes));
}

std::string iort_node(unsigned type, const std::string& fields, unsigned mappings = 0, unsigned at = 0) {
  return le(type, 1) + le(16 + fields.size(), 2) + le(0, 1) + le(0, 4) + le(mappings, 4) + le(at, 4) + fields;
}

}  // namespace

TEST_CASE("Firmware tables: what real tables and tables made by hand say") {
  for (const auto& name : firmware_names()) {
    INFO(name);
    const auto bytes = firmware_bytes(name);
    REQUIRE(bytes.size() > acpi_header_bytes);
    CHECK(summary_of(tables_of(name, bytes)) == golden("firmware/" + name + ".txt"));
  }
}

TEST_CASE("Firmware tables: every beginning of a table gives an answer that says what is missing") {
  for (const auto& name : firmware_names()) {
    INFO(name);
    const auto bytes = firmware_bytes(name);
    for (std::size_t size = 0; size < bytes.size(); ++size) {
      const std::string part(bytes, 0, size);  // a copy of its own: what is read behind its end is seen
      const auto tables = tables_of(name, part);
      REQUIRE(!problems_of(tables).empty());
      if (size % 16 == 0) REQUIRE(!summary_of(tables).empty());
    }
  }
}

TEST_CASE("Firmware tables: every change of one byte is noticed by the checksum, and read all the same") {
  for (const auto& name : firmware_names()) {
    INFO(name);
    const auto bytes = firmware_bytes(name);
    for (std::size_t at = 0; at < bytes.size(); ++at) {
      for (const unsigned change : {0x01U, 0x80U, 0xffU, 0x10U}) {
        std::string damaged = bytes;
        damaged[at] = static_cast<char>(static_cast<unsigned char>(damaged[at]) ^ change);
        REQUIRE(!problems_of(tables_of(name, damaged)).empty());
      }
    }
  }
}

TEST_CASE("Firmware tables: every change of one byte whose checksum is mended gives an answer", "[long]") {
  for (const auto& name : firmware_names()) {
    INFO(name);
    const auto bytes = firmware_bytes(name);
    // Every value in the tables made by hand, which have one of each kind of structure; fewer in those that repeat
    // them.
    const bool whole = name == "dmar_all" || name == "ivrs_memory" || name == "iort_rmr" || name == "viot_memory";
    const unsigned step = whole ? 1 : bytes.size() > 600 ? 85 : 15;
    for (std::size_t at = 0; at < bytes.size(); ++at) {
      for (unsigned value = 0; value < 256; value += step) {
        std::string changed = bytes;
        changed[at] = static_cast<char>(value);
        mend_checksum(changed);
        const auto tables = tables_of(name, changed);
        const auto description = describe(tables);
        REQUIRE(description.structures.size() + description.memory.size() <= bytes.size());
      }
    }
  }
}

TEST_CASE("An ACPI header: lengths, signature and checksum that are wrong are told") {
  const auto right = acpi_table("DMAR", 1, std::string(12, '\0'));
  CHECK(parse_dmar(right).problems.empty());
  CHECK(problems_text(parse_dmar(right.substr(0, 35)).problems) ==
        "0x0: The table has 35 bytes, and its header alone needs 36.\n");
  CHECK(!parse_dmar(right.substr(0, 35)).header.has_value());
  CHECK(problems_text(parse_dmar(right + "x").problems) ==
        "0x4: The header tells a length of 48 bytes, and 49 are there.\n");
  auto wrong = right;
  wrong[9] = static_cast<char>(wrong[9] + 1);
  const auto dmar = parse_dmar(wrong);
  CHECK(problems_text(dmar.problems) == "0x9: The checksum is wrong.\n");
  CHECK(!dmar.header->checksum_right);
  CHECK(dmar.host_address_width == 1);
  auto other = acpi_table("DMAX", 1, std::string(12, '\0'));
  CHECK(problems_text(parse_dmar(other).problems) == "0x0: The signature is \"DMAX\" and not \"DMAR\".\n");
  CHECK(problems_text(parse_dmar(acpi_table("DMAR", 1, "short")).problems) ==
        "0x24: The table ends before its first structure.\n");
}

TEST_CASE("DMAR: structures and scopes that reach too far are told, and what stands before them is kept") {
  const auto unit = le(0, 2) + le(16, 2) + le(1, 2) + le(0, 2) + le(0xfed90000, 8);
  const auto kept = [&unit](const std::string& damaged) {
    const auto dmar = dmar_with(unit + damaged);
    REQUIRE(dmar.structures.size() >= 1);
    CHECK(dmar.structures[0].base == 0xfed90000U);
    return problems_text(dmar.problems);
  };
  CHECK(kept("") == "");
  CHECK(kept("x") == "0x40: The table ends within the header of a structure.\n");
  CHECK(kept(le(1, 2) + le(0, 2)) == "0x40: The structure rmrr tells a length of 0 bytes, and needs 24.\n");
  CHECK(kept(le(1, 2) + le(200, 2) + std::string(20, '\0')) ==
        "0x40: The structure rmrr tells a length of 200 bytes, and 24 are left of what it is in.\n");
  CHECK(kept(le(9, 2) + le(4, 2)) == "0x40: The structure is of the unknown type 9; it is skipped.\n");
  CHECK(kept(le(1, 2) + le(24, 2) + le(0, 4) + le(2, 8) + le(1, 8)) == "0x40: The RMRR ends before it begins.\n");
  CHECK(kept(le(4, 2) + le(10, 2) + bytes_of({0, 0, 0, 1}) + "ab") == "0x40: The name of the ANDD has no end.\n");
  const auto scoped = [&kept](const std::string& scopes) {
    return kept(le(2, 2) + le(8 + scopes.size(), 2) + le(0, 4) + scopes);
  };
  CHECK(scoped("") == "");
  CHECK(scoped("x") == "0x48: A device scope begins in the last byte of its structure.\n");
  CHECK(scoped(bytes_of({1, 0, 0, 0, 0, 0, 2, 0})) ==
        "0x48: The device scope tells a length of 0 bytes, and needs 6.\n");
  CHECK(scoped(bytes_of({1, 10, 0, 0, 0, 0, 2, 0})) ==
        "0x48: The device scope tells a length of 10 bytes, and 8 are left of what it is in.\n");
  CHECK(scoped(bytes_of({1, 6, 0, 0, 0, 0})) == "0x48: The device scope has no path.\n");
  CHECK(scoped(bytes_of({1, 9, 0, 0, 0, 0, 2, 0, 7})) == "0x48: The path of the device scope ends in half a step.\n");
  CHECK(scoped(bytes_of({6, 8, 0, 0, 0, 0, 2, 0})) == "0x48: The device scope is of the unknown type 6.\n");
}

TEST_CASE("DMAR: a path of impossible numbers names no device") {
  FirmwareTables tables;
  tables.dmar = dmar_with(le(2, 2) + le(16, 2) + le(0, 4) + bytes_of({1, 8, 0, 0, 0, 0, 0x20, 0}));
  const auto description = describe(tables);
  REQUIRE(description.structures.size() == 1);
  CHECK(!description.structures[0].scopes[0].first);
  CHECK(path_text(description.structures[0].scopes[0]).empty());
}

TEST_CASE("IVRS: entries and blocks that do not fit are told") {
  const auto unit = [](const std::string& entries) {
    const auto ivrs = ivrs_with(bytes_of({0x10, 0}) + le(24 + entries.size(), 2) + le(2, 2) + le(0x40, 2) +
                                le(0xfd200000, 8) + le(0, 8) + entries);
    REQUIRE(ivrs.units.size() == 1);
    return problems_text(ivrs.problems);
  };
  CHECK(unit("") == "");
  CHECK(unit(bytes_of({0, 0, 0, 0}) + bytes_of({64, 0, 0, 0, 0, 0, 0, 0})) == "");
  CHECK(unit(bytes_of({3, 8, 0, 0})) == "0x30: A range of devices has begun and does not end.\n");
  CHECK(unit(bytes_of({3, 8, 0, 0, 2, 9, 0, 0})) == "0x4c: A range of devices has begun and does not end.\n");
  CHECK(unit(bytes_of({4, 8, 0, 0})) == "0x48: A range of devices ends that has not begun.\n");
  CHECK(unit(bytes_of({3, 8, 0, 0, 4, 7, 0, 0})) == "0x4c: A range of devices ends before it begins.\n");
  CHECK(unit(bytes_of({66, 8, 0, 0})) == "0x48: The device entry needs 8 bytes, and 4 are left of its IVHD.\n");
  CHECK(unit(bytes_of({5, 8, 0, 0})) == "0x48: The device entry is of the unknown type 5.\n");
  CHECK(unit(bytes_of({130, 8, 0, 0})) ==
        "0x48: The device entry is of the unknown type 130, and so of unknown length; the entries behind it are not "
        "read.\n");
  CHECK(unit(bytes_of({72, 0, 0, 0, 1, 0, 0, 9})) == "0x48: The device entry is of the unknown type 72.\n");
  CHECK(unit(bytes_of({240, 0, 0, 0}) + "AMDI0020" + std::string(8, '\0') + bytes_of({2, 9}) + "ID") ==
        "0x48: The device entry needs 31 bytes, and 24 are left of its IVHD.\n");
  const auto block = [](const std::string& bytes) { return problems_text(ivrs_with(bytes).problems); };
  CHECK(block(bytes_of({0x30, 0, 4, 0})) == "0x30: The block is of the unknown type 0x30; it is skipped.\n");
  CHECK(block(bytes_of({0x11, 0, 24, 0}) + std::string(20, '\0')) ==
        "0x30: The block of type 0x11 tells a length of 24 bytes, and needs 40.\n");
  CHECK(block(bytes_of({0x20, 0, 0, 0})) == "0x30: The block of type 0x20 tells a length of 0 bytes, and needs 32.\n");
  CHECK(block("ab") == "0x30: The table ends within the header of a block.\n");
  CHECK(block(bytes_of({0x22, 7, 32, 0}) + le(8, 2) + le(7, 2) + le(0, 24)) ==
        "0x30: The devices of the IVMD end before they begin.\n"
        "0x30: The memory of the IVMD is empty or reaches beyond all addresses.\n");
}

TEST_CASE("IORT: nodes, mappings and references that do not fit are told") {
  const auto text = [](unsigned count, const std::string& nodes) {
    return problems_text(iort_with(count, nodes).problems);
  };
  const auto its = iort_node(0, le(1, 4) + le(0, 4));
  CHECK(text(1, its) == "");
  CHECK(text(2, its) == "0x48: The table tells 2 nodes, and ends within number 2.\n");
  CHECK(text(0, its) == "0x30: 24 bytes follow the last node that the table tells.\n");
  CHECK(text(1, iort_node(0, le(2, 4) + le(0, 4))) == "0x30: The ITS group tells 2 units, and has room for 1.\n");
  CHECK(text(1, iort_node(4, le(0, 8))) == "0x30: The node smmu_v3 tells a length of 24 bytes, and needs 60.\n");
  CHECK(text(1, iort_node(9, "")) == "0x30: The node is of the unknown type 9.\n");
  CHECK(text(1, iort_node(2, std::string(16, '\0'), 1, 16)) == "0x30: The ID mappings of the node reach beyond it.\n");
  CHECK(text(1, iort_node(2, std::string(16, '\0'), 0xffffffff, 16)) ==
        "0x30: The ID mappings of the node reach beyond it.\n");
  CHECK(text(1, iort_node(2, std::string(16, '\0') + le(0, 4) + le(1, 4) + le(0, 4) + le(0x77, 4) + le(0, 4), 1, 32)) ==
        "0x30: An ID mapping leads to 0x77, where no node begins.\n");
  CHECK(text(1, iort_node(6, le(0, 4) + le(1, 4) + le(28, 4))) ==
        "0x30: The memory ranges of the RMR reach beyond it.\n");
  CHECK(text(1, iort_node(6, le(0, 4) + le(1, 4) + le(28, 4) + std::string(20, '\0'))) ==
        "0x30: A memory range of the RMR is empty or reaches beyond all addresses.\n");
  CHECK(text(1, iort_node(1, std::string(13, '\0') + "\\_SB")) ==
        "0x30: The name of the named component has no end.\n");
  CHECK(problems_text(parse_iort(acpi_table("IORT", 3, le(1, 4) + le(40, 4) + le(0, 4))).problems) ==
        "0x28: The first node would begin at 0x28, within the header or beyond the table.\n");
}

TEST_CASE("VIOT: nodes and references that do not fit are told") {
  const auto text = [](unsigned count, const std::string& nodes) {
    return problems_text(viot_with(count, nodes).problems);
  };
  const auto unit = bytes_of({3, 0, 16, 0}) + le(0, 2) + le(0x10, 2) + le(0, 8);
  CHECK(text(1, unit) == "");
  CHECK(text(2, unit) == "0x40: The table tells 2 nodes, and ends within number 2.\n");
  CHECK(text(0, unit) == "0x30: 16 bytes follow the last node that the table tells.\n");
  CHECK(text(1, bytes_of({1, 0, 16, 0}) + le(0, 12)) ==
        "0x30: The node pci_range tells a length of 16 bytes, and needs 24.\n");
  CHECK(text(1, bytes_of({7, 0, 4, 0})) == "0x30: The node is of the unknown type 7.\n");
  CHECK(text(2, unit + bytes_of({2, 0, 24, 0}) + le(0, 4) + le(0, 8) + le(0x40, 2) + le(0, 6)) ==
        "0x40: The node belongs to 0x40, where no unit begins.\n");
  CHECK(text(2, unit + bytes_of({1, 0, 24, 0}) + le(0, 4) + le(0, 4) + le(9, 2) + le(8, 2) + le(0x30, 2) + le(0, 6)) ==
        "0x40: The PCI range ends before it begins.\n");
  CHECK(problems_text(parse_viot(acpi_table("VIOT", 0, le(1, 2) + le(300, 2) + le(0, 8))).problems) ==
        "0x26: The first node would begin at 0x12c, within the header or beyond the table.\n");
}

TEST_CASE("Firmware tables: those of a host, those that are missing, and those that may not be read") {
  class Forbidden final : public FilesTree {
   public:
    Result<std::string> read_bytes(std::string_view path, std::size_t limit) const override {
      if (path.ends_with("/DMAR")) return fail(ErrorCode::Kernel, "Permission denied", EACCES, "/" + std::string(path));
      return FilesTree::read_bytes(path, limit);
    }
  };
  Forbidden tree;
  tree.files.add_file("sys/firmware/acpi/tables/DMAR", firmware_bytes("dmar_dell"), 0400);
  tree.files.add_file("sys/firmware/acpi/tables/VIOT", firmware_bytes("viot_qemu"), 0400);
  const auto tables = read_iommu_tables(tree);
  REQUIRE(tables.dmar.has_value());
  CHECK(tables.dmar->error().errno_value == EACCES);
  CHECK(!tables.complete());
  CHECK(!tables.ivrs.has_value());
  CHECK(!tables.iort.has_value());
  REQUIRE(tables.viot.has_value());
  CHECK((**tables.viot).nodes.size() == 3);
  CHECK(!tables.device_tree.has_value());
  CHECK(read_iommu_tables(FilesTree()).complete());
}

}  // namespace devbindd::firmware_tables_test
