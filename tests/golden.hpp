// SPDX-License-Identifier: Apache-2.0
// Texts that an answer must equal, from tests/data.
#pragma once

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

#include "tests/catch2.hpp"
#include "tests/test_paths.hpp"

namespace devbindd::tests {

/// The content of a file below tests/data. One that is not there fails the test.
inline std::string golden(const std::string& name) {
  const std::ifstream file(std::filesystem::path(data_directory) / name);
  INFO(name);
  REQUIRE(file);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

}  // namespace devbindd::tests
