// SPDX-License-Identifier: Apache-2.0
#include "daemon/configuration_section.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "api/http/json_body.hpp"
#include "api/http/nearest_word.hpp"

namespace devbindd::daemon {

using nlohmann::json;

std::unexpected<ConfigurationError> wrong(std::string pointer, std::string message) {
  return std::unexpected(ConfigurationError{std::move(pointer), std::move(message)});
}

Checked Section::text(const std::string& key, std::string& field) {
  const auto* value = find(key);
  if (value == nullptr) return {};
  if (!value->is_string()) return wrong(at(key), "must be a string");
  field = *value->get_ptr<const std::string*>();
  return {};
}

Checked Section::flag(const std::string& key, bool& field) {
  const auto* value = find(key);
  if (value == nullptr) return {};
  if (!value->is_boolean()) return wrong(at(key), "must be true or false");
  field = *value->get_ptr<const bool*>();
  return {};
}

Checked Section::number(const std::string& key, std::uint64_t least, std::uint64_t most,
                        const std::function<void(std::uint64_t)>& set) {
  const auto* value = find(key);
  if (value == nullptr) return {};
  const auto* number = value->get_ptr<const std::uint64_t*>();
  if (number == nullptr || *number < least || *number > most)
    return wrong(at(key), "must be a whole number from " + std::to_string(least) + " to " + std::to_string(most));
  set(*number);
  return {};
}

Checked Section::seconds(const std::string& key, std::chrono::seconds& field) {
  return number(key, 1, 3600, [&field](std::uint64_t value) { field = std::chrono::seconds(value); });
}

const json* Section::find(const std::string& key) {
  asked_.push_back(key);
  const auto found = object_.find(key);
  return found == object_.end() ? nullptr : &*found;
}

Checked Section::finish() const {
  for (const auto& [key, value] : object_.items()) {
    if (std::ranges::find(asked_, key) == asked_.end())
      return wrong(at(key), "is not a key of the configuration" + api::hint(key, asked_));
  }
  return {};
}

std::string Section::at(const std::string& key) const { return pointer_ + api::pointer_to(key); }

}  // namespace devbindd::daemon
