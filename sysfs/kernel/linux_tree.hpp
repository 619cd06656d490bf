// SPDX-License-Identifier: Apache-2.0
// The real Tree: file calls relative to an O_PATH descriptor of the root directory.
// The only file that reads, lists or writes the kernel's file systems.
#pragma once

#include <string>

#include "sysfs/kernel/file_descriptor.hpp"
#include "sysfs/kernel/tree.hpp"

namespace devbindd::sysfs {

class LinuxTree final : public Tree {
 public:
  /// Opens `root` ("/" in the daemon; a folder made by a test in tests). Error: Kernel.
  static Result<LinuxTree> open(const std::string& root);

  Result<std::string> read(std::string_view path, std::size_t limit = 4096) const override;
  Result<std::string> read_bytes(std::string_view path, std::size_t limit) const override;
  Result<> write(std::string_view path, std::string_view value) override;
  Result<std::optional<std::string>> link(std::string_view path) const override;
  Result<std::vector<std::string>> list(std::string_view path) const override;
  Result<std::vector<SymbolicLink>> links(std::string_view path, std::size_t most) const override;
  Result<std::vector<std::string>> directories(std::string_view path) const override;
  Result<std::optional<NodeStatus>> status(std::string_view path) const override;
  Result<std::unique_ptr<const Tree>> below(std::string_view directory) const override;

 private:
  Result<FileDescriptor> open_directory(std::string_view path) const;
  LinuxTree(FileDescriptor root, std::string prefix) : root_(std::move(root)), prefix_(std::move(prefix)) {}
  std::string absolute(std::string_view path) const { return prefix_ + std::string(path); }

  FileDescriptor root_;
  std::string prefix_;  ///< the root with a slash at its end, for messages
};

}  // namespace devbindd::sysfs
