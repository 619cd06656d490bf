// SPDX-License-Identifier: Apache-2.0
#include "sysfs/kernel/fields.hpp"

#include <algorithm>

namespace devbindd::sysfs {

std::vector<std::string_view> lines_of(std::string_view text) {
  std::vector<std::string_view> lines;
  while (!text.empty()) {
    const auto end = std::min(text.find('\n'), text.size());
    lines.push_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return lines;
}

std::vector<std::string_view> words_of(std::string_view line) {
  std::vector<std::string_view> words;
  std::size_t at = 0;
  while ((at = line.find_first_not_of(" \t", at)) != std::string_view::npos) {
    const auto end = std::min(line.find_first_of(" \t", at), line.size());
    words.push_back(line.substr(at, end - at));
    at = end;
  }
  return words;
}

std::string joined(const std::vector<std::string>& words, std::string_view separator) {
  std::string text;
  for (const auto& word : words) text.append(text.empty() ? "" : separator).append(word);
  return text;
}

std::optional<DeviceNumber> device_number_from(std::string_view text) {
  const auto colon = text.find(':');
  if (colon == std::string_view::npos) return std::nullopt;
  const auto first = number_from<std::uint32_t>(text.substr(0, colon));
  const auto second = number_from<std::uint32_t>(text.substr(colon + 1));
  if (!first || !second) return std::nullopt;
  return DeviceNumber{*first, *second};
}

std::string unescaped(std::string_view text) {
  std::string plain;
  for (std::size_t at = 0; at < text.size(); ++at) {
    const auto code =
        text[at] == '\\' && at + 3 < text.size() ? number_from<std::uint8_t>(text.substr(at + 1, 3), 8) : std::nullopt;
    plain.push_back(code ? static_cast<char>(*code) : text[at]);
    if (code) at += 3;
  }
  return plain;
}

}  // namespace devbindd::sysfs
