// SPDX-License-Identifier: Apache-2.0
// What the fuzz targets share: the input as text, and a check that ends the run.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

namespace devbindd::fuzz {

inline std::string_view text_of(const std::uint8_t* data, std::size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}

/// A property that must hold for every input.
inline void must(bool holds) {
  if (!holds) std::abort();
}

}  // namespace devbindd::fuzz
