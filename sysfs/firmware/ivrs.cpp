// SPDX-License-Identifier: Apache-2.0
#include "sysfs/firmware/ivrs.hpp"

#include <algorithm>

namespace devbindd::sysfs {
namespace {

constexpr std::size_t first_block = 48;
constexpr std::size_t short_unit = 24;  // an IVHD of type 10h without its entries
constexpr std::size_t long_unit = 40;
constexpr std::size_t memory_bytes = 32;
constexpr std::size_t acpi_device_bytes = 22;  // without the unique ID

bool is_unit(unsigned type) { return type == 0x10 || type == 0x11 || type == 0x40; }
bool is_memory(unsigned type) { return type >= 0x20 && type <= 0x22; }

// By the upper two bits of the type; an ACPI device tells it. 0: not known. Source: amd/init.c, ivhd_entry_length().
std::size_t entry_length(std::string_view bytes) {
  const auto type = static_cast<unsigned char>(bytes.front());
  if (type < 0x80) return std::size_t{4} << (type >> 6U);
  if (type == 240 && bytes.size() >= acpi_device_bytes)
    return acpi_device_bytes + static_cast<unsigned char>(bytes[acpi_device_bytes - 1]);
  return 0;
}

void read_alias(ByteCursor& cursor, IvhdEntry& entry) {
  cursor.skip(1);
  entry.alias = cursor.u16();
}

void read_special(ByteCursor& cursor, IvhdEntry& entry) {
  entry.handle = cursor.u8();
  entry.first = entry.last = cursor.u16();
  const auto variety = cursor.u8();
  entry.kind = variety == 1 ? IvhdEntryKind::IoApic : variety == 2 ? IvhdEntryKind::Hpet : IvhdEntryKind::Special;
}

void read_acpi_device(ByteCursor& cursor, IvhdEntry& entry) {
  entry.kind = IvhdEntryKind::AcpiDevice;
  entry.hardware_id = printable(cursor.take(8));
  cursor.skip(8);
  const auto format = cursor.u8();
  const std::size_t length = cursor.u8();
  if (format == 1) {
    std::uint64_t number = 0;
    const auto digits = cursor.take(std::min<std::size_t>(length, 8));
    for (std::size_t at = digits.size(); at-- > 0;) number = (number << 8U) | static_cast<unsigned char>(digits[at]);
    entry.unique_id = std::to_string(number);
  } else if (format == 2) {
    entry.unique_id = printable(cursor.take(length));
  }
}

IvhdEntry entry_in(std::string_view bytes) {
  ByteCursor cursor(bytes);
  IvhdEntry entry;
  entry.type = cursor.u8();
  entry.first = entry.last = cursor.u16();
  entry.setting = cursor.u8();
  switch (entry.type) {
    case 0:
    case 64: entry.kind = IvhdEntryKind::Pad; break;
    case 1:
      entry.kind = IvhdEntryKind::All;
      entry.first = 0;
      entry.last = 0xffff;
      break;
    case 2: entry.kind = IvhdEntryKind::Select; break;
    case 3: entry.kind = IvhdEntryKind::Range; break;
    case 66:
      entry.kind = IvhdEntryKind::Alias;
      read_alias(cursor, entry);
      break;
    case 67:
      entry.kind = IvhdEntryKind::AliasRange;
      read_alias(cursor, entry);
      break;
    case 70:
      entry.kind = IvhdEntryKind::ExtendedSelect;
      entry.extended = cursor.u32();
      break;
    case 71:
      entry.kind = IvhdEntryKind::ExtendedRange;
      entry.extended = cursor.u32();
      break;
    case 72: read_special(cursor, entry); break;
    case 240: read_acpi_device(cursor, entry); break;
    default: break;
  }
  return entry;
}

bool begins_range(const IvhdEntry& entry) {
  return entry.kind == IvhdEntryKind::Range || entry.kind == IvhdEntryKind::AliasRange ||
         entry.kind == IvhdEntryKind::ExtendedRange;
}

constexpr unsigned end_of_range = 4;

// A range is two entries. `open`: the last one has begun one.
void add_entry(const IvhdEntry& entry, std::size_t offset, bool& open, Ivhd& unit, TableProblems& problems) {
  if (entry.type == end_of_range) {
    if (!open) problems.push_back({offset, "A range of devices ends that has not begun."});
    if (open && entry.first < unit.entries.back().first)
      problems.push_back({offset, "A range of devices ends before it begins."});
    if (open) unit.entries.back().last = entry.first;
    open = false;
    return;
  }
  if (open) problems.push_back({offset, "A range of devices has begun and does not end."});
  open = begins_range(entry);
  if (entry.kind == IvhdEntryKind::Pad) return;
  if (entry.kind == IvhdEntryKind::Unknown || entry.kind == IvhdEntryKind::Special)
    problems.push_back({offset, "The device entry is of the unknown type " + std::to_string(entry.type) + "."});
  unit.entries.push_back(entry);
}

void read_entries(const TablePart& block, std::size_t begin, Ivhd& unit, TableProblems& problems) {
  bool open = false;
  while (begin < block.bytes.size()) {
    const auto offset = block.offset + begin;
    const auto rest = block.bytes.substr(begin);
    const auto length = entry_length(rest);
    if (length == 0) {
      problems.push_back({offset, "The device entry is of the unknown type " +
                                      std::to_string(static_cast<unsigned char>(rest.front())) +
                                      ", and so of unknown length; the entries behind it are not read."});
      return;
    }
    if (length > rest.size()) {
      problems.push_back({offset, "The device entry needs " + std::to_string(length) + " bytes, and " +
                                      std::to_string(rest.size()) + " are left of its IVHD."});
      return;
    }
    add_entry(entry_in(rest.substr(0, length)), offset, open, unit, problems);
    begin += length;
  }
  if (open) problems.push_back({block.offset, "A range of devices has begun and does not end."});
}

Ivhd unit_in(const TablePart& block, TableProblems& problems) {
  ByteCursor cursor(block.bytes);
  Ivhd unit;
  unit.type = cursor.u8();
  unit.flags = cursor.u8();
  cursor.skip(2);
  unit.device = cursor.u16();
  unit.capability_offset = cursor.u16();
  unit.base = cursor.u64();
  unit.segment = cursor.u16();
  unit.info = cursor.u16();
  unit.features = cursor.u32();
  if (unit.type != 0x10) {
    unit.efr = cursor.u64();
    unit.efr2 = cursor.u64();
  }
  read_entries(block, unit.type == 0x10 ? short_unit : long_unit, unit, problems);
  return unit;
}

Ivmd memory_in(const TablePart& block, TableProblems& problems) {
  ByteCursor cursor(block.bytes);
  Ivmd memory;
  memory.type = cursor.u8();
  memory.flags = cursor.u8();
  cursor.skip(2);
  memory.first = cursor.u16();
  memory.last = cursor.u16();
  memory.segment = cursor.u16();
  cursor.skip(6);
  memory.start = cursor.u64();
  memory.length = cursor.u64();
  if (memory.type == 0x21) memory.last = memory.first;
  if (memory.of_all()) memory.first = 0, memory.last = 0xffff;
  if (memory.last < memory.first) problems.push_back({block.offset, "The devices of the IVMD end before they begin."});
  if (memory.length == 0 || memory.start + (memory.length - 1) < memory.start)
    problems.push_back({block.offset, "The memory of the IVMD is empty or reaches beyond all addresses."});
  return memory;
}

void read_block(const TablePart& block, unsigned type, Ivrs& ivrs) {
  if (is_unit(type)) {
    ivrs.units.push_back(unit_in(block, ivrs.problems));
  } else if (is_memory(type)) {
    ivrs.memory.push_back(memory_in(block, ivrs.problems));
  } else {
    ivrs.problems.push_back(
        {block.offset, "The block is of the unknown type " + hex_number(type) + "; it is skipped."});
  }
}

void read_blocks(std::string_view bytes, Ivrs& ivrs) {
  std::size_t offset = first_block;
  while (offset < bytes.size()) {
    ByteCursor cursor(bytes, offset);
    const unsigned type = cursor.u8();
    cursor.skip(1);
    const std::size_t length = cursor.u16();
    if (cursor.broken()) {
      ivrs.problems.push_back({offset, "The table ends within the header of a block."});
      return;
    }
    const auto least = type == 0x10 ? short_unit : is_unit(type) ? long_unit : is_memory(type) ? memory_bytes : 4;
    const auto block = part_of(bytes, offset, length, least, "The block of type " + hex_number(type), ivrs.problems);
    if (!block) return;
    read_block(*block, type, ivrs);
    offset += length;
  }
}

}  // namespace

Ivrs parse_ivrs(std::string_view bytes) {
  Ivrs ivrs;
  auto table = open_acpi_table(bytes, "IVRS", ivrs.problems);
  ivrs.header = std::move(table.header);
  if (!ivrs.header) return ivrs;
  if (table.bytes.size() < first_block) {
    ivrs.problems.push_back({acpi_header_bytes, "The table ends before its first block."});
    return ivrs;
  }
  ivrs.info = ByteCursor(table.bytes, acpi_header_bytes).u32();
  read_blocks(table.bytes, ivrs);
  return ivrs;
}

}  // namespace devbindd::sysfs
