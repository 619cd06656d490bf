// SPDX-License-Identifier: Apache-2.0
#include "sysfs/config_space/config_space.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <set>

namespace devbindd::sysfs {
namespace {

constexpr std::size_t status_offset = 0x06;
constexpr std::size_t header_type_offset = 0x0e;
constexpr std::size_t capability_size = 4;  // of the smallest: ID, next, and what lspci prints of an unknown one

std::optional<std::uint32_t> number_at(const ConfigSpace& config, std::size_t offset, std::size_t size) {
  return RegisterReader(config.bytes).read({}, offset, size);
}

std::string hex_text(std::size_t value) {
  std::array<char, 24> text{};
  std::snprintf(text.data(), text.size(), "0x%02zx", value);
  return text.data();
}

// One list on its way: where it may be, where it has been, and what it came to.
class Walk {
 public:
  Walk(const ConfigSpace& config, ListKind list, CapabilityLists& lists) : list_(list), lists_(lists) {
    const auto end = list == ListKind::Standard ? conventional_bytes : extended_bytes;
    area_ = std::span(config.bytes).first(std::min(config.bytes.size(), end));
    begin_ = list == ListKind::Standard ? header_bytes : conventional_bytes;
  }

  /// Whether a capability may be at `offset`; notes the problem if not.
  bool enter(std::size_t offset) {
    if (offset < begin_) return stop(ListProblemKind::OutOfRange, offset, "points below " + hex_text(begin_));
    if (area_.size() < offset + capability_size) return stop(ListProblemKind::Truncated, offset, "was not read");
    if (!visited_.insert(offset).second) return stop(ListProblemKind::Loop, offset, "was in the list already");
    return true;
  }

  bool stop(ListProblemKind kind, std::size_t offset, const std::string& what) {
    const std::string name = list_ == ListKind::Standard ? "standard" : "extended";
    lists_.problems.push_back({kind, list_, offset, "the " + name + " list at " + hex_text(offset) + " " + what});
    return false;
  }

  std::uint32_t word(std::size_t offset) const { return RegisterReader(area_).read({}, offset, 4).value_or(0); }
  std::span<const std::byte> from(std::size_t offset) const { return area_.subspan(offset); }

 private:
  ListKind list_;
  CapabilityLists& lists_;
  std::span<const std::byte> area_;
  std::size_t begin_ = 0;
  std::set<std::size_t> visited_;
};

std::optional<std::size_t> first_standard(const ConfigSpace& config) {
  const auto status = number_at(config, status_offset, 2);
  const auto type = number_at(config, header_type_offset, 1);
  if (!status || !type) return std::nullopt;
  if (bits_of(*status, 4, 1) == 0) return 0;
  const auto pointer = number_at(config, bits_of(*type, 0, 7) == 2 ? 0x14 : 0x34, 1);
  if (!pointer) return std::nullopt;
  return *pointer & ~3U;
}

void walk_standard(const ConfigSpace& config, CapabilityLists& lists) {
  auto offset = first_standard(config);
  Walk walk(config, ListKind::Standard, lists);
  if (!offset) {
    walk.stop(ListProblemKind::Truncated, status_offset, "cannot be found: the header was not read");
    return;
  }
  if (*offset != 0 && config.bytes.size() <= header_bytes) {
    walk.enter(*offset);
    return;
  }
  auto& found = lists.standard.emplace();
  while (*offset != 0 && walk.enter(*offset)) {
    const auto word = walk.word(*offset);
    const auto id = bits_of(word, 0, 8);
    if (id == 0xff) {
      walk.stop(ListProblemKind::AllOnes, *offset, "holds 0xff instead of a capability");
      return;
    }
    const std::size_t next = bits_of(word, 8, 8) & ~3U;
    found.push_back({.list = ListKind::Standard,
                     .id = static_cast<std::uint16_t>(id),
                     .version = std::nullopt,
                     .offset = *offset,
                     .next = next,
                     .bytes = walk.from(*offset)});
    offset = next;
  }
}

void walk_extended(const ConfigSpace& config, CapabilityLists& lists) {
  if (config.file_size.value_or(config.bytes.size()) <= conventional_bytes) {
    lists.extended.emplace();  // there is no extended space
    return;
  }
  Walk walk(config, ListKind::Extended, lists);
  std::size_t offset = conventional_bytes;
  if (config.bytes.size() <= conventional_bytes) {
    walk.enter(offset);
    return;
  }
  auto& found = lists.extended.emplace();
  while (walk.enter(offset)) {
    const auto word = walk.word(offset);
    if (word == 0 && offset == conventional_bytes) return;  // an empty list
    if (word == 0 || word == 0xffffffffU) {
      const bool ones = word != 0;
      walk.stop(ones ? ListProblemKind::AllOnes : ListProblemKind::Empty, offset,
                ones ? "holds all ones instead of a capability" : "holds no capability");
      return;
    }
    const std::size_t next = bits_of(word, 20, 12) & ~3U;
    found.push_back({.list = ListKind::Extended,
                     .id = static_cast<std::uint16_t>(bits_of(word, 0, 16)),
                     .version = bits_of(word, 16, 4),
                     .offset = offset,
                     .next = next,
                     .bytes = walk.from(offset)});
    if (next == 0) return;
    offset = next;
  }
}

}  // namespace

std::string_view name_of(MissingReason reason) {
  return reason == MissingReason::Privilege ? "privilege" : "short_read";
}

std::optional<MissingReason> missing_reason(const ConfigSpace& config) {
  const auto expected = config.file_size.value_or(conventional_bytes);
  if (config.bytes.size() >= expected) return std::nullopt;
  const auto type = number_at(config, header_type_offset, 1).value_or(0);
  const std::size_t shown = bits_of(type, 0, 7) == 2 ? 2 * header_bytes : header_bytes;
  return config.bytes.size() == shown ? MissingReason::Privilege : MissingReason::ShortRead;
}

std::string_view name_of(ListProblemKind kind) {
  switch (kind) {
    case ListProblemKind::AllOnes: return "all_ones";
    case ListProblemKind::Loop: return "loop";
    case ListProblemKind::OutOfRange: return "out_of_range";
    case ListProblemKind::Truncated: return "truncated";
    case ListProblemKind::Empty: return "empty";
  }
  return "truncated";
}

CapabilityLists walk_capabilities(const ConfigSpace& config) {
  CapabilityLists lists;
  if (does_not_answer(config)) {
    lists.problems.push_back(
        {ListProblemKind::AllOnes, ListKind::Standard, 0, "the device does not answer: its header reads as all ones"});
    return lists;
  }
  walk_standard(config, lists);
  walk_extended(config, lists);
  return lists;
}

bool does_not_answer(const ConfigSpace& config) {
  return number_at(config, 0, 4) == 0xffffffffU && number_at(config, 4, 4) == 0xffffffffU;
}

}  // namespace devbindd::sysfs
