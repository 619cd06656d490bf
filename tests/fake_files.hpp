// SPDX-License-Identifier: Apache-2.0
// An in-memory tree of files, links, directories and nodes with the path rules of the kernel: symbolic links are
// followed component by component, and every failure is an errno. Passive: nothing reacts to a write (see
// fake_kernel.hpp).
#pragma once

#include <expected>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sysfs/kernel/tree.hpp"

namespace devbindd::tests {

class FakeFiles {
 public:
  /// Adds the file and the directories above it; what was there is replaced. Paths have no leading slash.
  void add_file(const std::string& path, std::string content, std::uint32_t mode = 0644);
  void add_link(const std::string& path, std::string target);
  void add_directory(const std::string& path, std::uint64_t inode = 0);
  void add_node(const std::string& path, std::uint32_t mode, std::uint32_t major, std::uint32_t minor,
                std::uint64_t inode = 0);
  void add_block_node(const std::string& path, std::uint32_t major, std::uint32_t minor);

  /// The path without any link in it; for a link itself when `follow_last` is false. Or the errno.
  std::expected<std::string, int> resolve(std::string_view path, bool follow_last = true) const;

  std::expected<std::string, int> content(std::string_view path) const;
  std::expected<std::string, int> link_target(std::string_view path) const;
  std::expected<std::vector<std::string>, int> names_in(std::string_view path) const;
  std::expected<sysfs::NodeStatus, int> status(std::string_view path) const;

 private:
  enum class Kind { File, Link, Directory, Node };
  struct Entry {
    Kind kind = Kind::Directory;
    std::string text;  ///< content or target
    sysfs::NodeStatus status;
  };

  void add(const std::string& path, Entry entry);

  std::map<std::string, Entry, std::less<>> entries_;
};

}  // namespace devbindd::tests
