// SPDX-License-Identifier: Apache-2.0
// See fake_files.hpp.
#include "tests/fake_files.hpp"

#include <cerrno>
#include <deque>

namespace devbindd::tests {
namespace {

constexpr std::uint32_t may_read = 0444;
constexpr int max_links = 40;  // as the kernel's path walk

std::deque<std::string> components(std::string_view path) {
  std::deque<std::string> found;
  while (!path.empty()) {
    const auto end = std::min(path.find('/'), path.size());
    if (end > 0) found.emplace_back(path.substr(0, end));
    path.remove_prefix(std::min(end + 1, path.size()));
  }
  return found;
}

std::string parent_of(const std::string& path) {
  const auto slash = path.rfind('/');
  return slash == std::string::npos ? std::string{} : path.substr(0, slash);
}

}  // namespace

void FakeFiles::add(const std::string& path, Entry entry) {
  for (auto parent = parent_of(path); !parent.empty(); parent = parent_of(parent)) {
    entries_.try_emplace(parent, Entry{Kind::Directory, {}, {.mode = 0755, .directory = true}});
  }
  entries_.insert_or_assign(path, std::move(entry));
}

void FakeFiles::add_file(const std::string& path, std::string content, std::uint32_t mode) {
  const auto size = content.size();
  add(path, {Kind::File, std::move(content), {.mode = mode, .size = size}});
}

void FakeFiles::add_link(const std::string& path, std::string target) {
  add(path, {Kind::Link, std::move(target), {}});
}

void FakeFiles::add_directory(const std::string& path, std::uint64_t inode) {
  add(path, {Kind::Directory, {}, {.mode = 0755, .directory = true, .inode = inode}});
}

void FakeFiles::add_node(const std::string& path, std::uint32_t mode, std::uint32_t major, std::uint32_t minor,
                         std::uint64_t inode) {
  add(path, {Kind::Node, {}, {.mode = mode, .major = major, .minor = minor, .character_device = true, .inode = inode}});
}

void FakeFiles::add_block_node(const std::string& path, std::uint32_t major, std::uint32_t minor) {
  add(path, {Kind::Node, {}, {.mode = 0660, .major = major, .minor = minor, .block_device = true}});
}

std::expected<std::string, int> FakeFiles::resolve(std::string_view path, bool follow_last) const {
  auto rest = components(path);
  std::string at;
  int links = 0;
  while (!rest.empty()) {
    const auto name = std::move(rest.front());
    rest.pop_front();
    if (name == ".") continue;
    if (name == "..") {
      at = parent_of(at);
      continue;
    }
    const auto next = at.empty() ? name : at + "/" + name;
    const auto found = entries_.find(next);
    if (found == entries_.end()) return std::unexpected(ENOENT);
    if (found->second.kind == Kind::Link && (follow_last || !rest.empty())) {
      if (++links > max_links) return std::unexpected(ELOOP);
      if (found->second.text.starts_with('/')) at.clear();
      auto target = components(found->second.text);
      rest.insert(rest.begin(), target.begin(), target.end());
      continue;
    }
    const bool enters = !rest.empty();
    if (enters && found->second.kind != Kind::Directory) return std::unexpected(ENOTDIR);
    at = next;
  }
  return at;
}

std::expected<std::string, int> FakeFiles::content(std::string_view path) const {
  const auto at = resolve(path);
  if (!at) return std::unexpected(at.error());
  const auto found = entries_.find(*at);
  if (found == entries_.end() || found->second.kind == Kind::Directory) return std::unexpected(EISDIR);
  if (found->second.kind == Kind::Node) return std::unexpected(EINVAL);
  if ((found->second.status.mode & may_read) == 0) return std::unexpected(EACCES);
  return found->second.text;
}

std::expected<std::string, int> FakeFiles::link_target(std::string_view path) const {
  const auto at = resolve(path, false);
  if (!at) return std::unexpected(at.error());
  const auto found = entries_.find(*at);
  if (found == entries_.end() || found->second.kind != Kind::Link) return std::unexpected(EINVAL);
  return found->second.text;
}

std::expected<std::vector<std::string>, int> FakeFiles::names_in(std::string_view path) const {
  const auto at = resolve(path);
  if (!at) return std::unexpected(at.error());
  if (!at->empty() && entries_.at(*at).kind != Kind::Directory) return std::unexpected(ENOTDIR);
  const auto prefix = at->empty() ? std::string{} : *at + "/";
  std::vector<std::string> names;
  for (auto entry = entries_.lower_bound(prefix); entry != entries_.end() && entry->first.starts_with(prefix);
       ++entry) {
    const auto name = entry->first.substr(prefix.size());
    if (name.find('/') == std::string::npos) names.push_back(name);
  }
  return names;
}

std::expected<sysfs::NodeStatus, int> FakeFiles::status(std::string_view path) const {
  const auto at = resolve(path);
  if (!at) return std::unexpected(at.error());
  const auto found = entries_.find(*at);
  return found == entries_.end() ? sysfs::NodeStatus{.mode = 0755, .directory = true} : found->second.status;
}

}  // namespace devbindd::tests
