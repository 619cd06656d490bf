// SPDX-License-Identifier: Apache-2.0
#include "api/http/media_ranges.hpp"

#include <algorithm>
#include <optional>

#include "api/http/field_text.hpp"

namespace devbindd::api {
namespace {

// At least one part, which may be empty.
std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  do {
    parts.push_back(next_part(text, separator));
  } while (!text.empty());
  return parts;
}

// A token, or what a quoted string stands for.
std::optional<std::string> value_of(std::string_view text) {
  if (text.starts_with('"')) return unquoted(text);
  return is_token(text) ? std::optional(std::string(text)) : std::nullopt;
}

// "0.5": at most three digits behind the point, and nothing above 1.
std::optional<unsigned> quality_from(std::string_view text) {
  if (text.empty() || text.size() > 5 || (text[0] != '0' && text[0] != '1')) return std::nullopt;
  if (text.size() > 1 && text[1] != '.') return std::nullopt;
  unsigned quality = text[0] == '1' ? 1000 : 0;
  unsigned weight = 100;
  for (const char c : text.substr(std::min<std::size_t>(2, text.size()))) {
    if (c < '0' || c > '9') return std::nullopt;
    quality += static_cast<unsigned>(c - '0') * weight;
    weight /= 10;
  }
  return quality <= 1000 ? std::optional(quality) : std::nullopt;
}

bool read_type(std::string_view text, MediaRange& range) {
  const auto slash = text.find('/');
  if (slash == std::string_view::npos) return false;
  range.type = lower(text.substr(0, slash));
  range.subtype = lower(text.substr(slash + 1));
  return is_token(range.type) && is_token(range.subtype) && (range.type != "*" || range.subtype == "*");
}

std::optional<MediaRange> parse_range(std::string_view element) {
  MediaRange range;
  const auto parts = split(element, ';');
  if (!read_type(parts.front(), range)) return std::nullopt;
  for (auto part = parts.begin() + 1; part != parts.end(); ++part) {
    if (part->empty()) continue;
    const auto equals = part->find('=');
    const auto name = lower(part->substr(0, equals));
    const auto value = equals == std::string_view::npos ? std::nullopt : value_of(part->substr(equals + 1));
    if (!is_token(name) || !value) return std::nullopt;
    if (name != "q") {
      range.parameters.emplace_back(name, *value);
      continue;
    }
    const auto quality = quality_from(*value);
    if (!quality) return std::nullopt;
    range.quality = *quality;
    break;  // what follows the weight is no parameter of the type
  }
  return range;
}

/// How well a range fits: more is more specific; nullopt: not at all.
std::optional<std::size_t> specificity(const MediaRange& range, const Representation& representation) {
  const bool utf8 = std::ranges::all_of(range.parameters, [](const auto& parameter) {
    return parameter.first == "charset" && lower(parameter.second) == "utf-8";
  });
  if (!utf8) return std::nullopt;
  if (range.type == "*") return 0;
  if (range.type != representation.type) return std::nullopt;
  if (range.subtype == "*") return 1;
  return range.subtype == representation.subtype ? std::optional(2 + range.parameters.size()) : std::nullopt;
}

struct Wish {
  unsigned quality = 0;
  std::size_t place = 0;  ///< of the range in the header
};

Wish wish_for(const Representation& representation, const std::vector<MediaRange>& ranges) {
  Wish wish;
  std::optional<std::size_t> best;
  for (std::size_t at = 0; at < ranges.size(); ++at) {
    const auto fit = specificity(ranges[at], representation);
    if (!fit || (best && (*fit < *best || (*fit == *best && ranges[at].quality <= wish.quality)))) continue;
    best = fit;
    wish = {ranges[at].quality, at};
  }
  return wish;
}

}  // namespace

std::vector<MediaRange> parse_accept(std::string_view header) {
  std::vector<MediaRange> ranges;
  for (const auto element : split(header, ',')) {
    if (auto range = parse_range(element)) ranges.push_back(std::move(*range));
  }
  return ranges;
}

std::size_t preferred(std::string_view header, const std::vector<Representation>& representations) {
  const auto ranges = parse_accept(header);
  std::size_t chosen = 0;
  Wish best;
  for (std::size_t at = 0; at < representations.size(); ++at) {
    const auto wish = wish_for(representations[at], ranges);
    const bool better = wish.quality > best.quality || (wish.quality == best.quality && wish.place < best.place);
    if (wish.quality == 0 || (best.quality > 0 && !better)) continue;
    best = wish;
    chosen = at;
  }
  return chosen;
}

std::string media_type_of(std::string_view content_type) {
  MediaRange type;
  if (!read_type(trimmed(content_type.substr(0, content_type.find(';'))), type)) return {};
  return type.type + "/" + type.subtype;
}

}  // namespace devbindd::api
