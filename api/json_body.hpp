// The one place where request bodies become JSON values: strict, bounded, without exceptions.
// Not here: what the keys mean (binding_request.cpp, ...).
#pragma once

#include <expected>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace devbindd::api {

constexpr std::size_t max_json_depth = 32;
constexpr std::size_t max_json_text = 256;  ///< bytes of a member that is a text

/// Where a body is wrong: a JSON pointer ("" for the whole body) and a sentence.
struct BodyError {
  std::string code;  ///< "invalid_json", "duplicate_field", "unknown_field", "missing_field", "invalid_value"
  std::string pointer;
  std::string detail;
  /// Further places of the same code, with a sentence each.
  std::vector<std::pair<std::string, std::string>> others = {};
};

/// Parses a body whose top level must be an object. Refused: duplicate keys (the parser alone would keep the last),
/// more than 32 levels, integers beyond 64 bits (the parser alone would make them doubles), text after the value, bytes
/// that are no UTF-8.
std::expected<nlohmann::json, BodyError> parse_body(std::string_view body);

/// The same for the daemon's configuration file, where // and /* */ comments are allowed.
std::expected<nlohmann::json, BodyError> parse_commented(std::string_view text);

/// A JSON pointer to a top-level key (RFC 6901: '~' and '/' escaped).
std::string pointer_to(std::string_view key);

/// Reads the members of a body or of an object in it. Every key must be asked for: finish() refuses the ones that were
/// not, so that a typo is an error and never a default.
class BodyReader {
 public:
  /// `where` is the pointer to the object, "" for the body itself.
  explicit BodyReader(const nlohmann::json& object, std::string where = {})
      : object_(object), where_(std::move(where)) {}

  /// nullptr when the key is absent.
  const nlohmann::json* find(const std::string& key);
  /// A string of at most max_json_text bytes, or nullptr when absent. null is not a string. What is accepted is kept,
  /// in operations, claims and the audit.
  std::expected<const std::string*, BodyError> string(const std::string& key);
  std::expected<bool, BodyError> boolean(const std::string& key, bool fallback);
  /// An array of at most `limit` strings, each as string() takes them; empty when absent.
  std::expected<std::vector<std::string>, BodyError> strings(const std::string& key, std::size_t limit);
  /// Error: unknown_field, naming every key that nobody asked for (64 at most), with what was probably meant.
  std::expected<void, BodyError> finish() const;
  /// The pointer to a member.
  std::string pointer(std::string_view key) const { return where_ + pointer_to(key); }

 private:
  std::unexpected<BodyError> wrong(const std::string& key, std::string detail) const;

  const nlohmann::json& object_;
  std::string where_;
  std::vector<std::string> asked_;
};

}  // namespace devbindd::api
