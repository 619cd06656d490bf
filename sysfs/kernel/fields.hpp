// SPDX-License-Identifier: Apache-2.0
// The small grammar of /proc and sysfs texts: lines, words, numbers, "major:minor", octal escapes.
// Not here: what any of these files means.
#pragma once

#include <charconv>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace devbindd::sysfs {

/// The number of a device node, as stat(2) and a `dev` attribute give it.
struct DeviceNumber {
  std::uint32_t major = 0;
  std::uint32_t minor = 0;

  auto operator<=>(const DeviceNumber&) const = default;
};

std::vector<std::string_view> lines_of(std::string_view text);
/// Separated by blanks and tabs.
std::vector<std::string_view> words_of(std::string_view line);
/// The words as one text.
std::string joined(const std::vector<std::string>& words, std::string_view separator = ", ");

/// The whole text as a number; nullopt when anything else is in it.
template <class Number>
std::optional<Number> number_from(std::string_view text, int base = 10) {
  Number value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

/// "259:3", as in a `dev` attribute and in mountinfo.
std::optional<DeviceNumber> device_number_from(std::string_view text);

/// "\040" and its like as the characters they stand for. Source: fs/seq_file.c, mangle_path.
std::string unescaped(std::string_view text);

}  // namespace devbindd::sysfs
