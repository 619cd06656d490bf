// SPDX-License-Identifier: Apache-2.0
#include "clients/text/table.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

namespace devbindd::clients {
namespace {

using nlohmann::json;

constexpr std::size_t gap = 2;

struct Cell {
  std::string text;
  Tone tone = Tone::Plain;
};
using Row = std::vector<Cell>;

std::vector<Row> rows_of(const std::vector<Column>& columns, const json& items) {
  std::vector<Row> rows(1);
  for (const auto& column : columns) rows.front().push_back({column.heading, Tone::Strong});
  for (const auto& item : items) {
    auto& row = rows.emplace_back();
    for (const auto& column : columns) {
      const auto text = printable(column.text(item));
      row.push_back({text.empty() ? "-" : text, column.tone ? column.tone(item) : Tone::Plain});
    }
  }
  return rows;
}

}  // namespace

std::string table(const std::vector<Column>& columns, const json& items, const Terminal& terminal) {
  const auto rows = rows_of(columns, items);
  std::vector<std::size_t> widths(columns.size());
  std::size_t indent = 0;
  for (std::size_t at = 0; at + 1 < columns.size(); ++at) {
    for (const auto& row : rows) widths[at] = std::max(widths[at], characters_of(row[at].text));
    indent += widths[at] + gap;
  }
  std::string out;
  for (const auto& row : rows) {
    for (std::size_t at = 0; at + 1 < row.size(); ++at)
      out += toned(terminal, row[at].tone, row[at].text) +
             std::string(widths[at] - characters_of(row[at].text) + gap, ' ');
    out += toned(terminal, row.back().tone, wrapped(row.back().text, terminal.width, indent, indent)) + "\n";
  }
  return out;
}

std::string plain(const json& value) {
  if (value.is_null()) return {};
  if (value.is_string()) return value.get<std::string>();
  if (!value.is_array()) return value.dump(-1, ' ', false, json::error_handler_t::replace);
  std::string text;
  for (const auto& item : value) text += (text.empty() ? "" : ",") + plain(item);
  return text;
}

std::string member(const json& object, const std::string& path) {
  const json* at = &object;
  for (std::size_t begin = 0; begin <= path.size();) {
    const auto end = std::min(path.find('.', begin), path.size());
    const auto found = at->is_object() ? at->find(path.substr(begin, end - begin)) : at->end();
    if (!at->is_object() || found == at->end()) return {};
    at = &*found;
    begin = end + 1;
  }
  return plain(*at);
}

Column member_column(const std::string& heading, const std::string& path) {
  return {heading, [path](const json& item) { return member(item, path); }, {}};
}

}  // namespace devbindd::clients
