// SPDX-License-Identifier: Apache-2.0
#include "api/http/query.hpp"

#include <algorithm>
#include <boost/url/parse.hpp>
#include <boost/url/url_view.hpp>

#include "api/http/nearest_word.hpp"
#include "sysfs/kernel/fields.hpp"

namespace devbindd::api {
std::optional<Target> parse_target(std::string_view target) {
  const auto parsed = boost::urls::parse_origin_form({target.data(), target.size()});
  if (!parsed) return std::nullopt;
  Target result;
  for (const auto segment : parsed->segments()) result.path.emplace_back(segment.data(), segment.size());
  // "/" has one empty segment; a slash at the end is another resource, and there is none.
  if (result.path.size() == 1 && result.path.front().empty()) result.path.clear();
  if (parsed->encoded_query().empty()) return result;  // "/v1/devices?" has no parameter, not a nameless one
  for (const auto parameter : parsed->params()) result.query.emplace_back(parameter.key, parameter.value);
  return result;
}

std::vector<std::string> QueryReader::all(const std::string& name) {
  asked_.push_back(name);
  std::vector<std::string> values;
  for (const auto& [key, value] : query_) {
    if (key != name) continue;
    std::string_view rest = value;
    while (true) {
      const auto comma = rest.find(',');
      values.emplace_back(rest.substr(0, comma));
      if (comma == std::string_view::npos) break;
      rest.remove_prefix(comma + 1);
    }
  }
  return values;
}

std::optional<std::string> QueryReader::one(const std::string& name) {
  asked_.push_back(name);
  std::optional<std::string> found;
  for (const auto& [key, value] : query_) {
    if (key != name) continue;
    if (found) {
      mistakes_.add("repeated_parameter", "?" + name, "the parameter '" + name + "' stands more than once");
      return std::nullopt;
    }
    found = value;
  }
  return found;
}

bool QueryReader::flag(const std::string& name) {
  const auto value = one(name);
  if (value && *value != "true" && *value != "false") wrong(name, "'" + name + "' must be true or false");
  return value == "true";
}

std::optional<unsigned> QueryReader::number(const std::string& name, unsigned least, unsigned most) {
  const auto value = one(name);
  if (!value) return std::nullopt;
  const auto number = sysfs::number_from<unsigned>(*value);
  if (number && *number >= least && *number <= most) return number;
  wrong(name, "'" + name + "' must be a number from " + std::to_string(least) + " to " + std::to_string(most));
  return std::nullopt;
}

void QueryReader::wrong(const std::string& name, std::string detail) {
  mistakes_.add("invalid_value", "?" + name, std::move(detail));
}

void QueryReader::finish() {
  std::vector<std::string_view> told;
  for (const auto& [key, value] : query_) {
    if (std::ranges::find(asked_, key) != asked_.end() || std::ranges::find(told, key) != told.end()) continue;
    told.push_back(key);
    const auto name = key.substr(0, 64);
    mistakes_.add("unknown_parameter", "?" + name, "there is no parameter '" + name + "' here" + hint(key, asked_));
  }
}

}  // namespace devbindd::api
