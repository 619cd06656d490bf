// SPDX-License-Identifier: Apache-2.0
// Tables for people, made of the items of the daemon's lists.
#pragma once

#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "clients/text/terminal.hpp"

namespace devbindd::clients {

struct Column {
  std::string heading;
  std::function<std::string(const nlohmann::json&)> text;  ///< "" is shown as "-"
  std::function<Tone(const nlohmann::json&)> tone;         ///< empty: plain
};

/// A line of headings, and one for each item. The last column takes what is left of the terminal's width and is broken
/// there, at blanks, with the rest below it.
std::string table(const std::vector<Column>& columns, const nlohmann::json& items, const Terminal& terminal);

/// A value as a cell shows it: null is "", an array its values with commas between them.
std::string plain(const nlohmann::json& value);

/// A member of an object as plain() shows it; "" where there is none. `path` names members of members:
/// "nodes.group.path".
std::string member(const nlohmann::json& object, const std::string& path);

/// A column that shows a member.
Column member_column(const std::string& heading, const std::string& path);

}  // namespace devbindd::clients
