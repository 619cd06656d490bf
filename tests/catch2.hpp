// SPDX-License-Identifier: Apache-2.0
// The test framework's header, of Catch2 3 or 2, whichever is installed. Debian 12 has 2.
#pragma once

#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_all.hpp>
#else
#include <catch2/catch.hpp>
#endif

#include <string>

namespace devbindd::tests {

/// A text that has `part` in it: the matcher's name differs.
inline auto has_text(const std::string& part) {
#if __has_include(<catch2/catch_all.hpp>)
  return Catch::Matchers::ContainsSubstring(part);
#else
  return Catch::Matchers::Contains(part);
#endif
}

}  // namespace devbindd::tests
