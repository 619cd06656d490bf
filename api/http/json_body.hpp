// SPDX-License-Identifier: Apache-2.0
// The one place where request bodies become JSON values and their members typed ones: strict, bounded, without
// exceptions. Not here: what the keys mean (binding_request.cpp, ...).
#pragma once

#include <cstdint>
#include <expected>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "api/http/mistakes.hpp"

namespace devbindd::api {

constexpr std::size_t max_json_depth = 32;
constexpr std::size_t max_json_text = 256;  ///< bytes of a member that is a text

/// Parses a body whose top level must be an object. Refused: duplicate keys (the parser alone would keep the last),
/// more than 32 levels, integers beyond 64 bits (the parser alone would make them doubles), text after the value, bytes
/// that are no UTF-8.
std::expected<nlohmann::json, Mistake> parse_body(std::string_view body);

/// The same for the daemon's configuration file, where // and /* */ comments are allowed.
std::expected<nlohmann::json, Mistake> parse_commented(std::string_view text);

/// A JSON pointer to a top-level key (RFC 6901: '~' and '/' escaped).
std::string pointer_to(std::string_view key);

/// Reads the members of a body or of an object in it. What is wrong is added to the mistakes, and the reading goes on
/// with what would be there without the member. Every key must be asked for: finish() refuses the ones that were not,
/// so that a typo is an error and never a default.
class BodyReader {
 public:
  /// `where` is the pointer to the object, "" for the body itself. null is read as an object without members.
  BodyReader(const nlohmann::json& object, Mistakes& mistakes, std::string where = {})
      : object_(object), mistakes_(mistakes), where_(std::move(where)) {}

  /// nullptr when the key is absent.
  const nlohmann::json* find(const std::string& key);
  /// A string of at most max_json_text bytes, or nullptr when it is absent or wrong. null is not a string. What is
  /// accepted is kept, in operations, claims and the audit.
  const std::string* string(const std::string& key);
  bool boolean(const std::string& key, bool fallback);
  /// A whole number within the bounds.
  std::optional<std::uint64_t> number(const std::string& key, std::uint64_t least, std::uint64_t most);
  /// An array of at most `limit` strings, each as string() takes them.
  std::vector<std::string> strings(const std::string& key, std::size_t limit);
  /// nullptr when the key is absent or is no object.
  const nlohmann::json* object(const std::string& key);
  /// Adds unknown_field for every key that nobody asked for, with what was probably meant.
  void finish();
  /// Adds invalid_value at a member.
  void wrong(std::string_view key, std::string detail);
  /// Adds missing_field at a member, unless there is no object at all, which is a mistake of its own.
  void missing(std::string_view key, std::string detail);
  /// The pointer to a member.
  std::string pointer(std::string_view key) const { return where_ + pointer_to(key); }
  Mistakes& mistakes() const { return mistakes_; }

 private:
  const nlohmann::json& object_;
  Mistakes& mistakes_;
  std::string where_;
  std::vector<std::string> asked_;
};

}  // namespace devbindd::api
