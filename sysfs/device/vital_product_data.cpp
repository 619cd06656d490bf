// SPDX-License-Identifier: Apache-2.0
#include "sysfs/device/vital_product_data.hpp"

#include <array>
#include <cstdint>
#include <cstdio>

namespace devbindd::sysfs {
namespace {

constexpr unsigned large_flag = 0x80;
constexpr unsigned tag_end = 0x0f;  // small resource, item name 0xf, whatever its length
constexpr unsigned tag_identifier = 0x82;
constexpr unsigned tag_read_only = 0x90;
constexpr std::string_view checksum_keyword = "RV";

unsigned byte_at(std::span<const std::byte> bytes, std::size_t offset) {
  return std::to_integer<unsigned>(bytes[offset]);
}

std::string text_of(std::span<const std::byte> bytes) {
  std::string text;
  for (const auto byte : bytes) {
    const auto value = std::to_integer<unsigned>(byte);
    if (value >= 0x20 && value < 0x7f) {
      text += static_cast<char>(value);
    } else {
      std::array<char, 8> escaped{};
      std::snprintf(escaped.data(), escaped.size(), "\\x%02x", value);
      text += escaped.data();
    }
  }
  const auto end = text.find_last_not_of(' ');
  return end == std::string::npos ? std::string{} : text.substr(0, end + 1);
}

// Keyword of two characters, length of one byte, data.
void read_fields(std::span<const std::byte> bytes, VitalProductData& data) {
  while (bytes.size() >= 3) {
    const auto keyword = text_of(bytes.first(2));
    const std::size_t length = byte_at(bytes, 2);
    if (length > bytes.size() - 3) {
      data.problems.push_back("the field " + keyword + " goes beyond its part");
      return;
    }
    if (keyword != checksum_keyword) data.fields.emplace_back(keyword, text_of(bytes.subspan(3, length)));
    bytes = bytes.subspan(3 + length);
  }
}

struct Tag {
  unsigned name = 0;
  std::size_t header = 1;
  std::size_t length = 0;
};

std::optional<Tag> tag_at(std::span<const std::byte> bytes) {
  const auto first = byte_at(bytes, 0);
  if ((first & large_flag) == 0) return Tag{first >> 3U, 1, first & 7U};
  if (bytes.size() < 3) return std::nullopt;
  return Tag{first, 3, byte_at(bytes, 1) | byte_at(bytes, 2) << 8U};
}

}  // namespace

VitalProductData parse_vital_product_data(std::span<const std::byte> bytes) {
  VitalProductData data;
  while (!bytes.empty()) {
    const auto tag = tag_at(bytes);
    if (tag && tag->name == tag_end) return data;
    if (!tag || tag->length > bytes.size() - tag->header) break;
    const auto content = bytes.subspan(tag->header, tag->length);
    if (tag->name == tag_identifier) data.name = text_of(content);
    if (tag->name == tag_read_only) read_fields(content, data);
    bytes = bytes.subspan(tag->header + tag->length);
  }
  data.problems.emplace_back("there is no end tag");
  return data;
}

std::string_view vital_product_keyword(std::string_view keyword) {
  constexpr std::array<std::pair<std::string_view, std::string_view>, 6> names = {{{"PN", "part_number"},
                                                                                   {"SN", "serial_number"},
                                                                                   {"EC", "engineering_change"},
                                                                                   {"MN", "manufacture_id"},
                                                                                   {"FG", "fabric_geography"},
                                                                                   {"LC", "location"}}};
  for (const auto& [known, name] : names) {
    if (known == keyword) return name;
  }
  return {};
}

}  // namespace devbindd::sysfs
