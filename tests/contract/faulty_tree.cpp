// SPDX-License-Identifier: Apache-2.0
// See faulty_tree.hpp.
#include "tests/contract/faulty_tree.hpp"

namespace devbindd::tests {
namespace {

std::unexpected<sysfs::Error> failed(std::string_view path, int errno_value) {
  const auto name = "/" + std::string(path);
  return sysfs::fail(sysfs::ErrorCode::Kernel, "cannot read " + name + ": " + sysfs::errno_text(errno_value),
                     errno_value, name);
}

}  // namespace

int FaultyTree::errno_of(std::string_view path) const {
  ++asked_;
  for (const auto& [prefix, errno_value] : failing_) {
    if (path.starts_with(prefix)) return errno_value;
  }
  return 0;
}

sysfs::Result<std::string> FaultyTree::read(std::string_view path, std::size_t limit) const {
  if (const int error = errno_of(path)) return failed(path, error);
  return tree_.read(path, limit);
}

sysfs::Result<std::string> FaultyTree::read_bytes(std::string_view path, std::size_t limit) const {
  if (const int error = errno_of(path)) return failed(path, error);
  return tree_.read_bytes(path, limit);
}

sysfs::Result<> FaultyTree::write(std::string_view path, std::string_view value) { return tree_.write(path, value); }

sysfs::Result<std::optional<std::string>> FaultyTree::link(std::string_view path) const {
  if (const int error = errno_of(path)) return failed(path, error);
  return tree_.link(path);
}

sysfs::Result<std::vector<std::string>> FaultyTree::list(std::string_view path) const {
  if (const int error = errno_of(path)) return failed(path, error);
  return tree_.list(path);
}

sysfs::Result<std::optional<sysfs::NodeStatus>> FaultyTree::status(std::string_view path) const {
  if (const int error = errno_of(path)) return failed(path, error);
  return tree_.status(path);
}

}  // namespace devbindd::tests
