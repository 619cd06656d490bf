// SPDX-License-Identifier: Apache-2.0
// The seam to the kernel's file systems: reads, writes, links and lists of /sys, /proc and /dev.
// One real implementation (LinuxTree) and one behaving fake in the tests.
// Not here: any knowledge of what the files mean, and VFIO's ioctls (vfio/ioctl.hpp).
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sysfs/kernel/result.hpp"

namespace devbindd::sysfs {

/// Who owns a node and who may use it, by stat(2).
struct NodeStatus {
  std::uint32_t mode = 0;  ///< permission bits, 0..07777
  std::uint32_t uid = 0;
  std::uint32_t gid = 0;
  std::uint32_t major = 0;
  std::uint32_t minor = 0;
  std::uint64_t size = 0;  ///< as the file system says: that of a sysfs attribute is one page, whatever it holds
  bool character_device = false;
  bool block_device = false;
  bool directory = false;
  std::uint64_t inode = 0;

  bool operator==(const NodeStatus&) const = default;
};

/// A symbolic link in a directory.
struct SymbolicLink {
  std::string name = {};
  std::string target = {};  ///< as stored
};

/// Paths are relative to the root directory, without a leading slash: "sys/bus/pci/devices".
/// Every error is ErrorCode::Kernel with the errno of the call and the absolute path.
class Tree {
 public:
  virtual ~Tree() = default;

  /// The content with at most one trailing newline removed. Reads at most `limit` bytes (a sysfs attribute has
  /// at most 4096); a longer file is cut there.
  virtual Result<std::string> read(std::string_view path, std::size_t limit = 4096) const = 0;
  /// The content as it is, for binary attributes: at most `limit` bytes.
  virtual Result<std::string> read_bytes(std::string_view path, std::size_t limit) const = 0;
  /// One write(2) of the whole value: sysfs takes each write as one command. `value` must not be empty, since
  /// sysfs swallows a zero-length write and reports success (fs/kernfs, sysfs_kf_write).
  virtual Result<> write(std::string_view path, std::string_view value) = 0;
  /// The target of a symbolic link as stored, or nullopt where nothing (or no link) is there.
  virtual Result<std::optional<std::string>> link(std::string_view path) const = 0;
  /// The names in a directory, sorted, without "." and "..". ENOENT is an error.
  virtual Result<std::vector<std::string>> list(std::string_view path) const = 0;
  /// The symbolic links in a directory, `most` of them, in any order; one that vanishes meanwhile is left out. By
  /// list() and link(), where there is no cheaper way.
  virtual Result<std::vector<SymbolicLink>> links(std::string_view path, std::size_t most) const;
  /// The names of the directories in a directory, sorted, without symbolic links to some. By list(), link() and
  /// status(), where there is no cheaper way.
  virtual Result<std::vector<std::string>> directories(std::string_view path) const;
  /// The same tree with paths that begin in a directory of it, "." for the directory itself: for many looks into one,
  /// since the walk through a path costs more than a small file. It must not outlive this one. Errors: as list().
  virtual Result<std::unique_ptr<const Tree>> below(std::string_view directory) const;
  /// stat(2) following links; nullopt where nothing is there. A network file system answers from what it remembers.
  virtual Result<std::optional<NodeStatus>> status(std::string_view path) const = 0;
};

/// The last component of the link at `path` ("e1000e" for .../driver), or nullopt where there is none.
Result<std::optional<std::string>> link_name(const Tree& tree, std::string_view path);

/// Whether anything is at `path`. An error other than "not there" counts as there: it must not hide a device.
bool exists(const Tree& tree, std::string_view path);

}  // namespace devbindd::sysfs
