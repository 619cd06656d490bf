// SPDX-License-Identifier: Apache-2.0
// Query parameters: decoding a request target, and reading its parameters so that an unknown one is an error: a typo in
// a filter must not widen a selection.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "api/http/mistakes.hpp"

namespace devbindd::api {

struct Target {
  std::vector<std::string> path;  ///< decoded segments: "/v1/devices" is {"v1", "devices"}, "/" is {}
  std::vector<std::pair<std::string, std::string>> query;
};

/// Decodes a target that the guard has let through. nullopt: malformed percent-encoding. A segment never holds '/' or
/// NUL.
std::optional<Target> parse_target(std::string_view target);

/// What is wrong is added to the mistakes, and the reading goes on as if the parameter were absent.
class QueryReader {
 public:
  QueryReader(const std::vector<std::pair<std::string, std::string>>& query, Mistakes& mistakes)
      : query_(query), mistakes_(mistakes) {}

  /// Every value of a parameter; commas separate values too.
  std::vector<std::string> all(const std::string& name);
  /// The only value, or nullopt when absent. Mistake: repeated_parameter.
  std::optional<std::string> one(const std::string& name);
  /// "true" or "false". Mistakes: repeated_parameter, invalid_value.
  bool flag(const std::string& name);
  /// A decimal number within the bounds. Mistakes as flag().
  std::optional<unsigned> number(const std::string& name, unsigned least, unsigned most);
  /// Adds invalid_value at a parameter.
  void wrong(const std::string& name, std::string detail);
  /// Adds unknown_parameter for every parameter that nobody asked for.
  void finish();
  Mistakes& mistakes() const { return mistakes_; }

 private:
  const std::vector<std::pair<std::string, std::string>>& query_;
  Mistakes& mistakes_;
  std::vector<std::string> asked_;
};

}  // namespace devbindd::api
