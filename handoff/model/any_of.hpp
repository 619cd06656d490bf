// SPDX-License-Identifier: Apache-2.0
// Alternatives of which one must be there. Passive.
#pragma once

#include <algorithm>
#include <concepts>
#include <utility>
#include <vector>

namespace devbindd::handoff {

/// The values of which a device must have one; none: every device fits.
template <class T>
struct AnyOf {
  std::vector<T> values = {};

  AnyOf() = default;
  template <std::convertible_to<T> Value>
  AnyOf(Value&& value) : values{T(std::forward<Value>(value))} {}  // NOLINT: one value stands for itself

  explicit operator bool() const { return !values.empty(); }
  bool fits(const T& value) const { return values.empty() || std::ranges::find(values, value) != values.end(); }
  bool operator==(const AnyOf&) const = default;
};

}  // namespace devbindd::handoff
