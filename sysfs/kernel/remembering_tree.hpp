// SPDX-License-Identifier: Apache-2.0
// A tree that reads some files once. For one question about a device, whose parts ask for the same ones.
// Not here: which files those are.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <utility>

#include "sysfs/kernel/tree.hpp"

namespace devbindd::sysfs {

class RememberingTree final : public Tree {
 public:
  /// `tree` must outlive it. What `is_kept` names is read once by each limit, whether that fails or not.
  RememberingTree(const Tree& tree, std::function<bool(std::string_view path)> is_kept)
      : tree_(tree), is_kept_(std::move(is_kept)) {}

  Result<std::string> read(std::string_view path, std::size_t limit = 4096) const override;
  Result<std::string> read_bytes(std::string_view path, std::size_t limit) const override {
    return tree_.read_bytes(path, limit);
  }
  /// Always refused with EROFS: what was read would not be what is there.
  Result<> write(std::string_view path, std::string_view value) override;
  Result<std::optional<std::string>> link(std::string_view path) const override { return tree_.link(path); }
  Result<std::vector<std::string>> list(std::string_view path) const override { return tree_.list(path); }
  Result<std::vector<SymbolicLink>> links(std::string_view path, std::size_t most) const override {
    return tree_.links(path, most);
  }
  Result<std::vector<std::string>> directories(std::string_view path) const override { return tree_.directories(path); }
  Result<std::optional<NodeStatus>> status(std::string_view path) const override { return tree_.status(path); }

 private:
  const Tree& tree_;
  std::function<bool(std::string_view)> is_kept_;
  mutable std::map<std::pair<std::string, std::size_t>, Result<std::string>> kept_ = {};
};

}  // namespace devbindd::sysfs
