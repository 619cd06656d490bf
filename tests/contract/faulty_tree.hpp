// SPDX-License-Identifier: Apache-2.0
// A Tree in front of another one, that can be told to fail: for errors of reads that the fake kernel never gives.
#pragma once

#include <map>
#include <string>

#include "sysfs/kernel/tree.hpp"

namespace devbindd::tests {

class FaultyTree final : public sysfs::Tree {
 public:
  explicit FaultyTree(sysfs::Tree& tree) : tree_(tree) {}

  /// Every read, link, list and status below `prefix` fails with the errno until heal().
  void fail_below(const std::string& prefix, int errno_value) { failing_[prefix] = errno_value; }
  void heal() { failing_.clear(); }
  /// How often it was asked for anything.
  std::size_t asked() const { return asked_; }

  sysfs::Result<std::string> read(std::string_view path, std::size_t limit = 4096) const override;
  sysfs::Result<std::string> read_bytes(std::string_view path, std::size_t limit) const override;
  sysfs::Result<> write(std::string_view path, std::string_view value) override;
  sysfs::Result<std::optional<std::string>> link(std::string_view path) const override;
  sysfs::Result<std::vector<std::string>> list(std::string_view path) const override;
  sysfs::Result<std::optional<sysfs::NodeStatus>> status(std::string_view path) const override;

 private:
  int errno_of(std::string_view path) const;

  sysfs::Tree& tree_;
  std::map<std::string, int> failing_;
  mutable std::size_t asked_ = 0;
};

}  // namespace devbindd::tests
