// SPDX-License-Identifier: Apache-2.0
#include "sysfs/config_space/register_fields.hpp"

#include <algorithm>
#include <array>
#include <cstdio>

namespace devbindd::sysfs {
namespace {

Value value_of(std::uint32_t raw, const BitField& part) {
  const auto bits = bits_of(raw, part.low, part.width);
  if (part.decode != nullptr) return part.decode(bits);
  if (part.width == 1) return bits != 0;
  return std::uint64_t{bits};
}

}  // namespace

Fields register_fields(std::uint32_t raw, std::size_t size, std::span<const BitField> parts) {
  Fields fields;
  fields.reserve(parts.size() + 1);
  fields.push_back({"raw", Hex{raw, static_cast<unsigned>(2 * size)}});
  for (const auto& part : parts) fields.push_back({part.name, value_of(raw, part)});
  return fields;
}

Value offset_in_bar(std::uint32_t bits) { return Hex{std::uint64_t{bits} << 3U, 8}; }

Value id_value(std::uint32_t id) {
  std::array<char, 12> text{};
  std::snprintf(text.data(), text.size(), "%04x", id & 0xffffU);
  return std::string(text.data());
}

std::optional<std::uint32_t> RegisterReader::read(std::string_view name, std::size_t offset, std::size_t size) {
  if (offset > bytes_.size() || bytes_.size() - offset < size) {
    note_truncated(name);
    return std::nullopt;
  }
  std::uint32_t value = 0;
  for (std::size_t at = 0; at < size; ++at) value |= std::to_integer<std::uint32_t>(bytes_[offset + at]) << (8 * at);
  extent_ = std::max(extent_, offset + size);
  return value;
}

std::optional<std::uint32_t> RegisterReader::parts(std::string_view name, std::size_t offset, std::size_t size,
                                                   std::span<const BitField> parts) {
  const auto raw = read(name, offset, size);
  if (raw) add(name, register_fields(*raw, size, parts));
  return raw;
}

void RegisterReader::number(std::string_view name, std::size_t offset, std::size_t size) {
  if (const auto raw = read(name, offset, size)) add(name, std::uint64_t{*raw});
}

void RegisterReader::hex(std::string_view name, std::size_t offset, std::size_t size) {
  if (const auto raw = read(name, offset, size)) add(name, Hex{*raw, static_cast<unsigned>(2 * size)});
}

void RegisterReader::id(std::string_view name, std::size_t offset) {
  if (const auto raw = read(name, offset, 2)) add(name, id_value(*raw));
}

void RegisterReader::add_to_last(std::string_view name, Value value) {
  if (fields_.empty()) return;
  if (auto* parts = std::get_if<Fields>(&fields_.back().value)) parts->push_back({name, std::move(value)});
}

void RegisterReader::claim(std::size_t length) {
  if (length > bytes_.size()) note_truncated("contents");
  extent_ = std::max(extent_, std::min(length, bytes_.size()));
}

void RegisterReader::note_truncated(std::string_view name) {
  if (std::ranges::find(truncated_, name) == truncated_.end()) truncated_.push_back(name);
}

Value power_of_two(std::uint32_t exponent) { return std::uint64_t{1} << exponent; }
Value plus_one(std::uint32_t bits) { return std::uint64_t{bits} + 1; }

}  // namespace devbindd::sysfs
