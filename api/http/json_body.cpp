// SPDX-License-Identifier: Apache-2.0
#include "api/http/json_body.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "api/http/nearest_word.hpp"

namespace devbindd::api {
namespace {

using nlohmann::json;

// Sees every event of the parser before a value is built: what the value can no longer show is refused here.
class StrictCheck : public nlohmann::json_sax<json> {
 public:
  explicit StrictCheck(std::string_view text) : text_(text) {}
  bool null() override { return true; }
  bool boolean(bool) override { return true; }
  bool number_integer(number_integer_t) override { return true; }
  bool number_unsigned(number_unsigned_t) override { return true; }
  bool number_float(number_float_t, const string_t& text) override {
    if (text.find_first_of(".eE") != std::string::npos) return true;
    return refuse("invalid_value", "the integer " + text.substr(0, 40) + " does not fit 64 bits");
  }
  bool string(string_t&) override { return true; }
  bool binary(binary_t&) override { return true; }
  bool start_object(std::size_t) override { return deeper(); }
  bool key(string_t& name) override {
    if (keys_.back().insert(name).second) {
      last_key_ = name;
      return true;
    }
    last_key_ = name;
    return refuse("duplicate_field", "the key \"" + name.substr(0, 64) + "\" stands twice in one object");
  }
  bool end_object() override {
    keys_.pop_back();
    return true;
  }
  bool start_array(std::size_t) override { return deeper(); }
  bool end_array() override {
    keys_.pop_back();
    return true;
  }
  bool parse_error(std::size_t position, const std::string&, const nlohmann::detail::exception&) override {
    return refuse("invalid_json", "the text is not JSON: the error is " + place_of(position));
  }
  Mistake error;

 private:
  // `position` counts the bytes that were read, the wrong one included. Columns count bytes, as compilers' do.
  std::string place_of(std::size_t position) const {
    const auto before = text_.substr(0, position == 0 ? 0 : std::min(position - 1, text_.size()));
    const auto line = 1 + std::ranges::count(before, '\n');
    const auto column = before.size() - (before.rfind('\n') + 1) + 1;  // npos + 1 is 0
    return "in line " + std::to_string(line) + ", column " + std::to_string(column);
  }
  bool deeper() {
    keys_.emplace_back();
    return keys_.size() <= max_json_depth || refuse("invalid_json", "the body is nested deeper than 32 levels");
  }
  bool refuse(std::string code, std::string detail) {
    const bool one_level = keys_.size() == 1 && code != "invalid_json";
    error = {std::move(code), one_level ? pointer_to(last_key_) : std::string{}, std::move(detail)};
    return false;
  }
  std::string_view text_;
  std::vector<std::set<std::string>> keys_;
  std::string last_key_;
};

}  // namespace

std::string pointer_to(std::string_view key) {
  std::string pointer = "/";
  for (const char c : key) {
    if (c == '~') {
      pointer += "~0";
    } else if (c == '/') {
      pointer += "~1";
    } else {
      pointer += c;
    }
  }
  return pointer;
}

namespace {

std::expected<json, Mistake> parse_strictly(std::string_view text, bool comments) {
  // RFC 8259, 8.1: none may be added; the parser would skip it.
  if (text.starts_with("\xef\xbb\xbf"))
    return std::unexpected(
        Mistake{"invalid_json", "", "the text begins with a byte order mark, which JSON does not have"});
  if (text.find_first_not_of(" \t\r\n") == std::string_view::npos)
    return std::unexpected(Mistake{"invalid_json", "", "there is no text, where a JSON object must be: {} at least"});
  StrictCheck check(text);
  if (!json::sax_parse(text, &check, json::input_format_t::json, true, comments)) return std::unexpected(check.error);
  auto document = json::parse(text, nullptr, false, comments);
  if (!document.is_object()) return std::unexpected(Mistake{"invalid_json", "", "the top level must be a JSON object"});
  return document;
}

}  // namespace

std::expected<json, Mistake> parse_body(std::string_view body) { return parse_strictly(body, false); }

std::expected<json, Mistake> parse_commented(std::string_view text) { return parse_strictly(text, true); }

namespace {

std::string too_long(const std::string& key) {
  return "a text in \"" + key + "\" may have at most " + std::to_string(max_json_text) + " bytes";
}

}  // namespace

void BodyReader::wrong(std::string_view key, std::string detail) {
  mistakes_.add("invalid_value", pointer(key), std::move(detail));
}

void BodyReader::missing(std::string_view key, std::string detail) {
  if (object_.is_object()) mistakes_.add("missing_field", key.empty() ? where_ : pointer(key), std::move(detail));
}

const json* BodyReader::find(const std::string& key) {
  asked_.push_back(key);
  const auto found = object_.find(key);
  return found == object_.end() ? nullptr : &*found;
}

const std::string* BodyReader::string(const std::string& key) {
  const auto* value = find(key);
  if (value == nullptr) return nullptr;
  const auto* text = value->get_ptr<const std::string*>();
  if (text != nullptr && text->size() <= max_json_text) return text;
  wrong(key, text == nullptr ? "\"" + key + "\" must be a string" : too_long(key));
  return nullptr;
}

bool BodyReader::boolean(const std::string& key, bool fallback) {
  const auto* value = find(key);
  if (value == nullptr) return fallback;
  const auto* flag = value->get_ptr<const bool*>();
  if (flag == nullptr) wrong(key, "\"" + key + "\" must be true or false");
  return flag != nullptr ? *flag : fallback;
}

std::optional<std::uint64_t> BodyReader::number(const std::string& key, std::uint64_t least, std::uint64_t most) {
  const auto* value = find(key);
  if (value == nullptr) return std::nullopt;
  const auto* number = value->get_ptr<const std::uint64_t*>();
  if (number != nullptr && *number >= least && *number <= most) return *number;
  wrong(key, "\"" + key + "\" must be a whole number from " + std::to_string(least) + " to " + std::to_string(most));
  return std::nullopt;
}

std::vector<std::string> BodyReader::strings(const std::string& key, std::size_t limit) {
  std::vector<std::string> texts;
  const auto* value = find(key);
  if (value == nullptr) return texts;
  if (!value->is_array() || value->size() > limit) {
    wrong(key, "\"" + key + "\" must be an array of at most " + std::to_string(limit) + " strings");
    return texts;
  }
  for (const auto& item : *value) {
    const auto* text = item.get_ptr<const std::string*>();
    if (text != nullptr && text->size() <= max_json_text) {
      texts.push_back(*text);
      continue;
    }
    wrong(key, text == nullptr ? "\"" + key + "\" must hold strings only" : too_long(key));
    return {};
  }
  return texts;
}

const json* BodyReader::object(const std::string& key) {
  const auto* value = find(key);
  if (value == nullptr || value->is_object()) return value;
  wrong(key, "\"" + key + "\" must be an object");
  return nullptr;
}

void BodyReader::finish() {
  for (const auto& [key, value] : object_.items()) {
    if (std::ranges::find(asked_, key) == asked_.end())
      mistakes_.add("unknown_field", pointer(key),
                    "there is no key \"" + key.substr(0, 64) + "\" here" + hint(key, asked_));
  }
}

}  // namespace devbindd::api
