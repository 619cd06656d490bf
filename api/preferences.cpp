#include "api/preferences.hpp"

#include <algorithm>
#include <charconv>
#include <set>

namespace devbindd::api {
namespace {

struct Preference {
  std::string name = {};   // in lower case
  std::string value = {};  // "" for none: RFC 7240 takes an empty one for the same
  bool well_formed = false;
};

std::string_view without_blanks(std::string_view text) {
  const auto first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

// The part up to a mark that stands outside of quotes; takes it and the mark from the text.
std::string_view cut(std::string_view& text, char mark) {
  bool quoted = false;
  std::size_t at = 0;
  for (; at < text.size(); ++at) {
    if (quoted && text[at] == '\\') {
      ++at;
    } else if (text[at] == '"') {
      quoted = !quoted;
    } else if (!quoted && text[at] == mark) {
      break;
    }
  }
  at = std::min(at, text.size());
  const auto part = text.substr(0, at);
  text.remove_prefix(std::min(at + 1, text.size()));
  return without_blanks(part);
}

std::optional<std::string> unquoted(std::string_view text) {
  if (!text.starts_with('"')) return std::string(text);
  std::string value;
  for (std::size_t at = 1; at < text.size(); ++at) {
    if (text[at] == '"') return at + 1 == text.size() ? std::optional(value) : std::nullopt;
    if (text[at] == '\\' && ++at == text.size()) return std::nullopt;
    value += text[at];
  }
  return std::nullopt;
}

bool is_token(std::string_view text) {
  constexpr std::string_view marks = "!#$%&'*+-.^_`|~";
  return !text.empty() && std::ranges::all_of(text, [&](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || marks.contains(c);
  });
}

// Parameters, after a semicolon, belong to preferences that are not known here.
Preference preference_from(std::string_view text) {
  Preference preference;
  auto whole = cut(text, ';');
  const auto name = cut(whole, '=');
  const auto value = unquoted(without_blanks(whole));
  preference.well_formed = is_token(name) && value && without_blanks(text).empty();
  for (const char c : name) preference.name += c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  preference.value = value.value_or("");
  return preference;
}

std::optional<std::chrono::seconds> seconds_from(const std::string& text) {
  const bool digits = !text.empty() && text.find_first_not_of("0123456789") == std::string::npos;
  if (!digits) return std::nullopt;
  unsigned seconds = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seconds);
  return error == std::errc{} ? std::min(max_wait, std::chrono::seconds(seconds)) : max_wait;
}

bool take(Preferences& preferences, const Preference& preference) {
  if (!preference.well_formed) return false;
  if (preference.name == "wait") {
    preferences.wait = seconds_from(preference.value);
    return preferences.wait.has_value();
  }
  if (preference.name == "respond-async" && preference.value.empty()) return preferences.respond_async = true;
  if (preference.name != "handling") return false;
  preferences.strict = preference.value == "strict";
  return preferences.strict || preference.value == "lenient";
}

}  // namespace

Preferences preferences_from(std::string_view prefer) {
  Preferences preferences;
  std::set<std::string> known;
  while (!prefer.empty()) {
    const auto text = cut(prefer, ',');
    if (text.empty()) continue;
    const auto preference = preference_from(text);
    if (!preference.name.empty() && !known.insert(preference.name).second) continue;
    if (!take(preferences, preference)) preferences.not_understood.emplace_back(text.substr(0, 64));
  }
  return preferences;
}

std::chrono::seconds patience_of(const Preferences& preferences, std::chrono::seconds fallback) {
  return preferences.wait ? *preferences.wait : preferences.respond_async ? std::chrono::seconds(0) : fallback;
}

std::string applied_text(const Preferences& preferences) {
  std::string text;
  const auto add = [&text](const std::string& applied) { text += (text.empty() ? "" : ", ") + applied; };
  if (preferences.respond_async) add("respond-async");
  if (preferences.wait) add("wait=" + std::to_string(preferences.wait->count()));
  if (preferences.strict) add("handling=strict");
  return text;
}

}  // namespace devbindd::api
