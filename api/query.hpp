// Query parameters: decoding a request target, and reading its parameters so that an unknown one is an error: a typo in
// a filter must not widen a selection.
#pragma once

#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace devbindd::api {

struct Target {
  std::vector<std::string> path;  ///< decoded segments: "/v1/devices" is {"v1", "devices"}, "/" is {}
  std::vector<std::pair<std::string, std::string>> query;
};

/// Decodes a target that the guard has let through. nullopt: malformed percent-encoding. A segment never holds '/' or
/// NUL.
std::optional<Target> parse_target(std::string_view target);

struct QueryError {
  std::string code;     ///< "unknown_parameter", "invalid_value", "repeated_parameter"
  std::string pointer;  ///< "?name"
  std::string detail;
};

class QueryReader {
 public:
  explicit QueryReader(const std::vector<std::pair<std::string, std::string>>& query) : query_(query) {}

  /// Every value of a parameter; commas separate values too.
  std::vector<std::string> all(const std::string& name);
  /// The only value, or nullopt when absent. Error: repeated_parameter.
  std::expected<std::optional<std::string>, QueryError> one(const std::string& name);
  /// "true" or "false". Errors: repeated_parameter, invalid_value.
  std::expected<bool, QueryError> flag(const std::string& name);
  /// A decimal number within the bounds. Errors as flag().
  std::expected<std::optional<unsigned>, QueryError> number(const std::string& name, unsigned least, unsigned most);
  /// Error: unknown_parameter.
  std::expected<void, QueryError> finish() const;

 private:
  const std::vector<std::pair<std::string, std::string>>& query_;
  std::vector<std::string> asked_;
};

}  // namespace devbindd::api
