// SPDX-License-Identifier: Apache-2.0
// One object of the configuration: reads keys into fields, and refuses those that nobody asked for.
// Not here: which keys there are (configuration.cpp, access_section.cpp).
#pragma once

#include <chrono>
#include <cstdint>
#include <expected>
#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

namespace devbindd::daemon {

/// What is wrong with a file: a JSON pointer ("/tcp/port") and a sentence.
struct ConfigurationError {
  std::string pointer;
  std::string message;
};

using Checked = std::expected<void, ConfigurationError>;

std::unexpected<ConfigurationError> wrong(std::string pointer, std::string message);

class Section {
 public:
  /// `object` must outlive it.
  Section(const nlohmann::json& object, std::string pointer) : object_(object), pointer_(std::move(pointer)) {}

  /// Each leaves the field as it is where the key is not there.
  Checked text(const std::string& key, std::string& field);
  Checked flag(const std::string& key, bool& field);
  Checked number(const std::string& key, std::uint64_t least, std::uint64_t most,
                 const std::function<void(std::uint64_t)>& set);
  Checked seconds(const std::string& key, std::chrono::seconds& field);
  /// nullptr when it is not there.
  const nlohmann::json* find(const std::string& key);
  /// An error for a key that nobody has asked for.
  Checked finish() const;
  std::string at(const std::string& key) const;

 private:
  const nlohmann::json& object_;
  std::string pointer_;
  std::vector<std::string> asked_;
};

}  // namespace devbindd::daemon
