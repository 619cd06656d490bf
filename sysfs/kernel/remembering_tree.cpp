// SPDX-License-Identifier: Apache-2.0
#include "sysfs/kernel/remembering_tree.hpp"

#include <cerrno>

namespace devbindd::sysfs {

Result<std::string> RememberingTree::read(std::string_view path, std::size_t limit) const {
  if (!is_kept_(path)) return tree_.read(path, limit);
  const auto key = std::pair(std::string(path), limit);
  const auto found = kept_.find(key);
  if (found != kept_.end()) return found->second;
  return kept_.emplace(key, tree_.read(path, limit)).first->second;
}

Result<> RememberingTree::write(std::string_view path, std::string_view /*value*/) {
  return fail(ErrorCode::Kernel, "cannot write to " + std::string(path) + ": it is only looked at", EROFS,
              std::string(path));
}

}  // namespace devbindd::sysfs
