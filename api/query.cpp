#include "api/query.hpp"

#include <algorithm>
#include <boost/url/parse.hpp>
#include <boost/url/url_view.hpp>

#include "api/nearest_word.hpp"
#include "sysfs/fields.hpp"

namespace devbindd::api {
namespace {

std::unexpected<QueryError> wrong(std::string code, const std::string& name, std::string detail) {
  return std::unexpected(QueryError{std::move(code), "?" + name, std::move(detail)});
}

}  // namespace

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

std::expected<std::optional<std::string>, QueryError> QueryReader::one(const std::string& name) {
  asked_.push_back(name);
  std::optional<std::string> found;
  for (const auto& [key, value] : query_) {
    if (key != name) continue;
    if (found) return wrong("repeated_parameter", name, "the parameter '" + name + "' stands more than once");
    found = value;
  }
  return found;
}

std::expected<bool, QueryError> QueryReader::flag(const std::string& name) {
  auto value = one(name);
  if (!value) return std::unexpected(value.error());
  if (!*value) return false;
  if (**value == "true") return true;
  if (**value == "false") return false;
  return wrong("invalid_value", name, "'" + name + "' must be true or false");
}

std::expected<std::optional<unsigned>, QueryError> QueryReader::number(const std::string& name, unsigned least,
                                                                       unsigned most) {
  auto value = one(name);
  if (!value) return std::unexpected(value.error());
  if (!*value) return std::nullopt;
  const auto number = sysfs::number_from<unsigned>(**value);
  if (!number || *number < least || *number > most) {
    return wrong("invalid_value", name,
                 "'" + name + "' must be a number from " + std::to_string(least) + " to " + std::to_string(most));
  }
  return number;
}

std::expected<void, QueryError> QueryReader::finish() const {
  for (const auto& [key, value] : query_) {
    if (std::ranges::find(asked_, key) == asked_.end()) {
      return wrong("unknown_parameter", key.substr(0, 64),
                   "there is no parameter '" + key.substr(0, 64) + "' here" + hint(key, asked_));
    }
  }
  return {};
}

}  // namespace devbindd::api
