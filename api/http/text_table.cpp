// SPDX-License-Identifier: Apache-2.0
#include "api/http/text_table.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "api/http/parameters.hpp"
#include "api/http/plain_text.hpp"
#include "handoff/journal/json.hpp"

namespace devbindd::api {
namespace {

using nlohmann::json;

constexpr std::size_t least_last_column = 20;
constexpr std::string_view gap = "  ";

std::string cell(const std::string& text) { return text.empty() ? "-" : one_line(text); }

// Where a line of at most `width` characters ends, and where the next one begins, in bytes.
std::pair<std::size_t, std::size_t> break_at(const std::string& text, std::size_t width) {
  const auto longest = bytes_of(text, width);
  if (text.size() <= longest) return {text.size(), text.size()};
  const auto blank = text.rfind(' ', longest);
  if (blank != std::string::npos && blank > 0) return {blank, blank + 1};
  const auto comma = text.rfind(',', longest - 1);
  if (comma != std::string::npos && comma > 0) return {comma + 1, comma + 1};
  return {longest, longest};
}

void append_wrapped(std::string& out, std::string text, std::size_t indent, std::size_t width) {
  for (bool first = true; first || !text.empty(); first = false) {
    const auto [end, next] = break_at(text, width);
    if (!first) out += std::string(indent, ' ');
    out += text.substr(0, end) + "\n";
    text.erase(0, next);
  }
}

}  // namespace

std::string plain(const json& value) {
  if (value.is_null()) return {};
  if (value.is_string()) return value.get<std::string>();
  if (!value.is_array()) return handoff::dump(value);
  std::string text;
  for (const auto& item : value) text += (text.empty() ? "" : ",") + plain(item);
  return text;
}

std::string text_table(const std::vector<Column>& columns, const json& items, std::size_t width) {
  std::vector<std::vector<std::string>> rows(1);
  for (const auto& column : columns) rows.front().push_back(column.heading);
  for (const auto& item : items) {
    auto& row = rows.emplace_back();
    for (const auto& column : columns) row.push_back(cell(column.text_of(item)));
  }
  std::vector<std::size_t> widths(columns.size());
  std::size_t indent = 0;
  for (std::size_t at = 0; at + 1 < columns.size(); ++at) {
    for (const auto& row : rows) widths[at] = std::max(widths[at], characters_of(row[at]));
    indent += widths[at] + gap.size();
  }
  const auto last = std::max(least_last_column, width > indent ? width - indent : 0);
  std::string text;
  for (const auto& row : rows) {
    for (std::size_t at = 0; at + 1 < row.size(); ++at)
      text += row[at] + std::string(widths[at] - characters_of(row[at]), ' ') + std::string(gap);
    append_wrapped(text, row.back(), indent, last);
  }
  return text;
}

Response text_response(std::string text) {
  return {.status = 200, .content_type = "text/plain; charset=utf-8", .body = std::move(text), .headers = {}};
}

Response list_response(const Request& request, const json& document, const std::vector<Column>& columns) {
  if (!wants_text(request)) return json_response(document);
  auto text = text_table(columns, document["items"]);
  if (document.contains("next_page_token") && !document["next_page_token"].is_null())
    text += "(more: ?page_token=" + plain(document["next_page_token"]) + ")\n";
  return text_response(std::move(text));
}

}  // namespace devbindd::api
