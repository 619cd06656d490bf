// SPDX-License-Identifier: Apache-2.0
#include "api/http/preferences.hpp"

#include <algorithm>
#include <charconv>
#include <set>

#include "api/http/field_text.hpp"

namespace devbindd::api {
namespace {

struct Preference {
  std::string name = {};   // in lower case
  std::string value = {};  // "" for none: RFC 7240 takes an empty one for the same
  bool well_formed = false;
};

// Parameters, after a semicolon, belong to preferences that are not known here.
Preference preference_from(std::string_view text) {
  Preference preference;
  auto whole = next_part(text, ';');
  const auto name = next_part(whole, '=');
  const auto shown = trimmed(whole);
  const auto value = shown.starts_with('"') ? unquoted(shown) : std::optional(std::string(shown));
  preference.well_formed = is_token(name) && value && trimmed(text).empty();
  preference.name = lower(name);
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
    const auto text = next_part(prefer, ',');
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
