// SPDX-License-Identifier: Apache-2.0
// What the fuzz targets share: the input as text or as a worker's frame, and a check that ends the run.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

namespace devbindd::fuzz {

inline std::string_view text_of(const std::uint8_t* data, std::size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}

/// The payload as a frame between the daemon and a worker: four bytes of length, little endian, before it.
inline std::string framed(std::string_view payload) {
  std::string frame;
  for (unsigned shift = 0; shift < 32; shift += 8)
    frame.push_back(static_cast<char>((payload.size() >> shift) & 0xffU));
  return frame.append(payload);
}

/// A property that must hold for every input.
inline void must(bool holds) {
  if (!holds) std::abort();
}

}  // namespace devbindd::fuzz
