// SPDX-License-Identifier: Apache-2.0
// What a client prefers of a change's answer: the Prefer header (RFC 7240), as far as it is understood here.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace devbindd::api {

struct Preferences {
  std::optional<std::chrono::seconds> wait = {};  ///< at most max_wait
  bool respond_async = false;
  bool strict = false;                           ///< what is not understood is an error and not ignored
  std::vector<std::string> not_understood = {};  ///< as they were sent, cut to 64 characters
};

constexpr std::chrono::seconds max_wait{300};

/// Reads the fields of the header, joined by commas. The first of several of one name counts; names are read without
/// regard to case.
Preferences preferences_from(std::string_view prefer);

/// How long an answer waits for the change: `wait`, else not at all with respond-async, else `fallback`.
std::chrono::seconds patience_of(const Preferences& preferences, std::chrono::seconds fallback);

/// The Preference-Applied header of an answer that waited so; "" where nothing was preferred.
std::string applied_text(const Preferences& preferences);

}  // namespace devbindd::api
