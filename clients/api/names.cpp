// SPDX-License-Identifier: Apache-2.0
#include "clients/api/names.hpp"

#include <fnmatch.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <cstdio>

namespace devbindd::clients {
namespace {

template <class Number>
std::optional<Number> number_of(std::string_view text, int base) {
  Number value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (text.empty() || error != std::errc() || end != text.data() + text.size()) return {};
  return value;
}

// Cuts the part behind the last `mark` off the text and gives it; nullopt when the text has no mark.
std::optional<std::string_view> take_last(std::string_view& text, char mark) {
  const auto at = text.rfind(mark);
  if (at == std::string_view::npos) return {};
  const auto part = text.substr(at + 1);
  text = text.substr(0, at);
  return part;
}

bool only_hex(std::string_view text) {
  return std::ranges::all_of(text, [](unsigned char letter) { return std::isxdigit(letter) != 0 || letter == '-'; });
}

std::optional<std::uint64_t> times(std::optional<std::uint64_t> number, std::uint64_t factor) {
  if (!number || *number > UINT64_MAX / factor) return {};
  return *number * factor;
}

}  // namespace

std::optional<std::string> full_address(std::string_view text) {
  const auto function_text = take_last(text, '.').value_or("0");
  const auto device_text = take_last(text, ':');
  if (!device_text) return {};
  const auto bus_text = take_last(text, ':');
  const auto domain = bus_text ? number_of<std::uint32_t>(text, 16) : std::optional<std::uint32_t>(0);
  const auto bus = number_of<std::uint32_t>(bus_text.value_or(text), 16);
  const auto device = number_of<std::uint32_t>(*device_text, 16);
  const auto function = number_of<std::uint32_t>(function_text, 16);
  if (!domain || !bus || !device || !function || *bus > 0xff || *device > 0x1f || *function > 7) return {};
  std::array<char, 24> written{};
  std::snprintf(written.data(), written.size(), "%04x:%02x:%02x.%x", *domain, *bus, *device, *function);
  return written.data();
}

std::optional<std::uint32_t> group_number(std::string_view text) {
  for (const std::string_view prefix : {"group:", "group/", "/dev/vfio/"})
    if (text.starts_with(prefix)) return number_of<std::uint32_t>(text.substr(prefix.size()), 10);
  return text.size() <= 7 ? number_of<std::uint32_t>(text, 10) : std::nullopt;
}

std::optional<std::string> claim_id(std::string_view text) {
  constexpr std::string_view prefix = "/v1/claims/";
  if (text.starts_with(prefix)) text.remove_prefix(prefix.size());
  if (text.size() < 8 || text.size() > 36 || !only_hex(text)) return {};
  return std::string(text);
}

std::optional<std::uint64_t> seconds_of(std::string_view text) {
  std::uint64_t factor = 1;
  switch (text.empty() ? '0' : text.back()) {
    case 's': break;
    case 'm': factor = 60; break;
    case 'h': factor = 3600; break;
    case 'd': factor = 86400; break;
    default: return number_of<std::uint64_t>(text, 10);
  }
  return times(number_of<std::uint64_t>(text.substr(0, text.size() - 1), 10), factor);
}

std::optional<std::uint64_t> size_of(std::string_view text) {
  if (text.ends_with("iB"))
    text.remove_suffix(2);
  else if (text.ends_with("B"))
    text.remove_suffix(1);
  constexpr std::string_view units = "KMGT";
  const auto unit = text.empty() ? std::string_view::npos : units.find(text.back());
  if (unit == std::string_view::npos) return number_of<std::uint64_t>(text, 10);
  return times(number_of<std::uint64_t>(text.substr(0, text.size() - 1), 10), std::uint64_t{1} << (10 * (unit + 1)));
}

std::vector<std::string> pairs_in(std::string_view text) {
  std::vector<std::string> pairs;
  for (std::size_t begin = 0; begin <= text.size();) {
    const auto end = std::min(text.find(',', begin), text.size());
    const auto part = std::string(text.substr(begin, end - begin));
    if (pairs.empty() || part.contains('='))
      pairs.push_back(part);
    else
      pairs.back() += "," + part;
    begin = end + 1;
  }
  return pairs;
}

bool fits_pattern(const std::string& name, const std::string& pattern) {
  return ::fnmatch(pattern.c_str(), name.c_str(), 0) == 0;
}

}  // namespace devbindd::clients
