// SPDX-License-Identifier: Apache-2.0
// A tree of files in memory, for targets whose parser reads several. Not here: what is said of a path's status.
#pragma once

#include <algorithm>
#include <cerrno>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sysfs/kernel/tree.hpp"

namespace devbindd::fuzz {

// Files by their whole path; a directory is what paths have in common.
class FileTree : public sysfs::Tree {
 public:
  std::map<std::string, std::string> files;

  sysfs::Result<std::string> read(std::string_view path, std::size_t limit) const override {
    const auto found = files.find(std::string(path));
    if (found == files.end()) return sysfs::fail(sysfs::ErrorCode::Kernel, "absent", ENOENT);
    return found->second.substr(0, limit);
  }
  sysfs::Result<std::string> read_bytes(std::string_view path, std::size_t limit) const override {
    return read(path, limit);
  }
  sysfs::Result<> write(std::string_view, std::string_view) override {
    return sysfs::fail(sysfs::ErrorCode::Kernel, "read only", EROFS);
  }
  sysfs::Result<std::optional<std::string>> link(std::string_view) const override {
    return std::optional<std::string>{};
  }
  sysfs::Result<std::vector<std::string>> list(std::string_view path) const override {
    const auto prefix = std::string(path) + "/";
    std::vector<std::string> names;
    for (const auto& [name, content] : files) {
      if (!name.starts_with(prefix)) continue;
      const auto entry = name.substr(prefix.size(), name.find('/', prefix.size()) - prefix.size());
      if (names.empty() || names.back() != entry) names.push_back(entry);
    }
    if (names.empty()) return sysfs::fail(sysfs::ErrorCode::Kernel, "absent", ENOENT);
    std::ranges::sort(names);
    return names;
  }
};

}  // namespace devbindd::fuzz
