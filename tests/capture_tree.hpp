// SPDX-License-Identifier: Apache-2.0
// A host's kernel as tests/capture/capture.py has written it down, for the readers of sysfs/.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "tests/sysfs/files_tree.hpp"

namespace devbindd::tests {

struct Capture {
  FilesTree tree;
  std::map<std::string, std::string> commands;  ///< "lspci -D -nnk -v" -> its output
};

/// The capture in this text; throws std::invalid_argument with the line that has no place in one.
Capture read_capture(std::string_view text);

/// That of tests/data/captures/NAME.txt.
Capture captured(const std::string& name);

}  // namespace devbindd::tests
