// SPDX-License-Identifier: Apache-2.0
// Numbers and texts out of bytes that somebody else has written, in the order in which they stand there. Nothing is
// read beyond the end. Not here: what the bytes mean.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace devbindd::sysfs {

/// Little-endian, as in all ACPI tables. Whatever would be read beyond the end is 0 or "", and broken() from then on.
class ByteCursor {
 public:
  explicit ByteCursor(std::string_view bytes, std::size_t offset = 0)
      : bytes_(bytes), offset_(std::min(offset, bytes.size())), broken_(offset > bytes.size()) {}

  std::uint8_t u8() { return static_cast<std::uint8_t>(number(1)); }
  std::uint16_t u16() { return static_cast<std::uint16_t>(number(2)); }
  std::uint32_t u32() { return static_cast<std::uint32_t>(number(4)); }
  std::uint64_t u64() { return number(8); }
  void skip(std::size_t size) { take(size); }

  /// The next `size` bytes; fewer, and broken, where there are fewer.
  std::string_view take(std::size_t size) {
    broken_ = broken_ || size > left();
    const auto taken = bytes_.substr(offset_, size);
    offset_ += taken.size();
    return taken;
  }

  std::size_t offset() const { return offset_; }
  std::size_t left() const { return bytes_.size() - offset_; }
  bool broken() const { return broken_; }

 private:
  std::uint64_t number(std::size_t width) {
    const auto part = take(width);
    std::uint64_t value = 0;
    if (part.size() < width) return 0;
    for (std::size_t at = width; at-- > 0;) value = (value << 8U) | static_cast<unsigned char>(part[at]);
    return value;
  }

  std::string_view bytes_;
  std::size_t offset_;
  bool broken_;
};

/// What stands before the first zero, or all of it.
inline std::string_view text_before_zero(std::string_view bytes) { return bytes.substr(0, bytes.find('\0')); }

/// Names in tables are ASCII and may be filled up with blanks and zeros: what can be printed of it, without blanks at
/// its end; "?" for what cannot.
inline std::string printable(std::string_view bytes) {
  std::string text(text_before_zero(bytes));
  for (auto& letter : text) {
    if (letter < 0x20 || letter > 0x7e) letter = '?';
  }
  text.erase(text.find_last_not_of(' ') + 1);
  return text;
}

}  // namespace devbindd::sysfs
