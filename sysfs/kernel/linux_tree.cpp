// SPDX-License-Identifier: Apache-2.0
#include "sysfs/kernel/linux_tree.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>

#include "sysfs/kernel/lent_rights.hpp"

namespace devbindd::sysfs {
namespace {

std::unexpected<Error> kernel_error(std::string_view what, std::string path, int errno_value) {
  return fail(ErrorCode::Kernel,
              std::string(what) + " " + path + ": " + errno_text(errno_value) + " (" + errno_name(errno_value) + ")",
              errno_value, path);
}

// The target of the link, read relative to its directory: the walk through a path costs more than the rest.
bool read_link(int directory, const char* name, std::string& target) {
  std::array<char, PATH_MAX> text;  // not zeroed, for a million of them
  const auto length = ::readlinkat(directory, name, text.data(), text.size());
  if (length < 0) return false;
  target.assign(text.data(), static_cast<std::size_t>(length));
  return true;
}

// Calls `visit` for each entry but "." and "..", until it says false; the errno, or 0. Two system calls less than
// readdir(3), which asks for the status and the flags of each directory.
template <class Visit>
int each_entry(int directory, Visit visit) {
  alignas(dirent64) std::array<char, 16384> buffer;  // not zeroed
  for (;;) {
    const auto got = ::getdents64(directory, buffer.data(), buffer.size());
    if (got < 0 && errno != ENOENT) return errno;
    if (got <= 0) return 0;  // ENOENT: it has been removed meanwhile
    for (ssize_t at = 0; at < got;) {
      const auto* entry = reinterpret_cast<const dirent64*>(buffer.data() + at);
      at += entry->d_reclen;
      const std::string_view name(entry->d_name);
      if (name != "." && name != ".." && !visit(*entry)) return 0;
    }
  }
}

}  // namespace

Result<std::vector<SymbolicLink>> Tree::links(std::string_view path, std::size_t most) const {
  const auto names = list(path);
  if (!names) return std::unexpected(names.error());
  std::vector<SymbolicLink> found;
  for (const auto& name : *names) {
    if (found.size() == most) break;
    auto target = link(std::string(path) + "/" + name);
    if (target && *target) found.push_back({name, std::move(**target)});
  }
  return found;
}

Result<std::vector<std::string>> Tree::directories(std::string_view path) const {
  const auto names = list(path);
  if (!names) return std::unexpected(names.error());
  std::vector<std::string> found;
  for (const auto& name : *names) {
    const auto below = std::string(path) + "/" + name;
    const auto target = link(below);
    if (target && *target) continue;
    const auto status = this->status(below);
    if (status && *status && (*status)->directory) found.push_back(name);
  }
  return found;
}

namespace {

/// Another tree with longer paths.
class TreeBelow final : public Tree {
 public:
  TreeBelow(const Tree& tree, std::string_view directory) : tree_(tree), directory_(directory) {}

  Result<std::string> read(std::string_view path, std::size_t limit) const override {
    return tree_.read(whole(path), limit);
  }
  Result<std::string> read_bytes(std::string_view path, std::size_t limit) const override {
    return tree_.read_bytes(whole(path), limit);
  }
  Result<> write(std::string_view path, std::string_view /*value*/) override {
    return kernel_error("cannot write to", whole(path), EROFS);
  }
  Result<std::optional<std::string>> link(std::string_view path) const override { return tree_.link(whole(path)); }
  Result<std::vector<std::string>> list(std::string_view path) const override { return tree_.list(whole(path)); }
  Result<std::vector<std::string>> directories(std::string_view path) const override {
    return tree_.directories(whole(path));
  }
  Result<std::optional<NodeStatus>> status(std::string_view path) const override { return tree_.status(whole(path)); }

 private:
  std::string whole(std::string_view path) const {
    return path == "." ? directory_ : directory_ + "/" + std::string(path);
  }

  const Tree& tree_;
  std::string directory_;
};

}  // namespace

Result<std::unique_ptr<const Tree>> Tree::below(std::string_view directory) const {
  return std::make_unique<const TreeBelow>(*this, directory);
}

Result<std::optional<std::string>> link_name(const Tree& tree, std::string_view path) {
  auto target = tree.link(path);
  if (!target) return std::unexpected(target.error());
  if (!*target) return std::nullopt;
  const auto slash = (*target)->rfind('/');
  return slash == std::string::npos ? **target : (*target)->substr(slash + 1);
}

bool exists(const Tree& tree, std::string_view path) {
  const auto status = tree.status(path);
  return !status || status->has_value();
}

Result<LinuxTree> LinuxTree::open(const std::string& root) {
  FileDescriptor fd(::open(root.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!fd) return kernel_error("cannot open", root, errno);
  return LinuxTree(std::move(fd), root.ends_with('/') ? root : root + "/");
}

Result<std::string> LinuxTree::read(std::string_view path, std::size_t limit) const {
  auto content = read_bytes(path, limit);
  if (content && content->ends_with('\n')) content->pop_back();
  return content;
}

Result<std::string> LinuxTree::read_bytes(std::string_view path, std::size_t limit) const {
  const std::string name(path);
  FileDescriptor fd(::openat(root_.get(), name.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY));
  if (!fd && (errno == EACCES || errno == EPERM)) fd = open_for_reading(absolute(path));
  if (!fd) return kernel_error("cannot open", absolute(path), errno);
  // kernfs gives all that there is, up to a page and to what was asked for: less is the end (fs/kernfs/file.c).
  const bool in_sysfs = path.starts_with("sys/") || prefix_.starts_with("/sys/");
  constexpr ssize_t page = 4096;
  std::string content;
  std::size_t size = 0;
  while (size < limit) {
    content.resize(std::min(limit, std::max<std::size_t>(4096, size * 2)));
    const auto got = ::read(fd.get(), content.data() + size, content.size() - size);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return kernel_error("cannot read", absolute(path), errno);
    size += static_cast<std::size_t>(got);
    if (got == 0 || (in_sysfs && got < page && size < content.size())) break;
  }
  content.resize(size);
  content.shrink_to_fit();  // what is kept of a file would keep a page for a few bytes
  return content;
}

Result<> LinuxTree::write(std::string_view path, std::string_view value) {
  const std::string name(path);
  const FileDescriptor fd(::openat(root_.get(), name.c_str(), O_WRONLY | O_CLOEXEC | O_NOCTTY));
  if (!fd) return kernel_error("cannot open", absolute(path), errno);
  // Not retried on EINTR: a driver may have done the work before it noticed the signal.
  const auto written = ::write(fd.get(), value.data(), value.size());
  if (written < 0) return kernel_error("cannot write to", absolute(path), errno);
  if (static_cast<std::size_t>(written) != value.size()) return kernel_error("short write to", absolute(path), EIO);
  return {};
}

Result<std::optional<std::string>> LinuxTree::link(std::string_view path) const {
  const std::string name(path);
  std::array<char, PATH_MAX> target;  // not zeroed
  const auto length = ::readlinkat(root_.get(), name.c_str(), target.data(), target.size());
  if (length < 0) {
    if (errno == ENOENT || errno == EINVAL || errno == ENOTDIR) return std::nullopt;
    return kernel_error("cannot read the link", absolute(path), errno);
  }
  return std::string(target.data(), static_cast<std::size_t>(length));
}

Result<std::unique_ptr<const Tree>> LinuxTree::below(std::string_view directory) const {
  const std::string name(directory);
  FileDescriptor fd(::openat(root_.get(), name.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!fd) return kernel_error("cannot open", absolute(directory), errno);
  return std::unique_ptr<const Tree>(new LinuxTree(std::move(fd), absolute(directory) + "/"));
}

Result<FileDescriptor> LinuxTree::open_directory(std::string_view path) const {
  const std::string name(path);
  FileDescriptor fd(::openat(root_.get(), name.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd) return kernel_error("cannot list", absolute(path), errno);
  return fd;
}

Result<std::vector<std::string>> LinuxTree::list(std::string_view path) const {
  const auto directory = open_directory(path);
  if (!directory) return std::unexpected(directory.error());
  std::vector<std::string> names;
  const int error = each_entry(directory->get(), [&names](const dirent64& entry) {
    names.emplace_back(entry.d_name);
    return true;
  });
  if (error != 0) return kernel_error("cannot list", absolute(path), error);
  std::ranges::sort(names);
  return names;
}

Result<std::vector<SymbolicLink>> LinuxTree::links(std::string_view path, std::size_t most) const {
  const auto directory = open_directory(path);
  if (!directory) return std::unexpected(directory.error());
  std::vector<SymbolicLink> found;
  SymbolicLink link;
  const int error = each_entry(directory->get(), [&](const dirent64& entry) {
    if (found.size() >= most) return false;
    link.name = entry.d_name;
    const bool may_be_link = entry.d_type == DT_LNK || entry.d_type == DT_UNKNOWN;
    if (may_be_link && read_link(directory->get(), entry.d_name, link.target)) found.push_back(link);
    return true;
  });
  if (error != 0) return kernel_error("cannot list", absolute(path), error);
  return found;
}

Result<std::vector<std::string>> LinuxTree::directories(std::string_view path) const {
  const auto directory = open_directory(path);
  if (!directory) return std::unexpected(directory.error());
  const auto is_directory = [&directory](const dirent64& entry) {
    if (entry.d_type != DT_UNKNOWN) return entry.d_type == DT_DIR;
    struct stat status {};
    return ::fstatat(directory->get(), entry.d_name, &status, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(status.st_mode);
  };
  std::vector<std::string> found;
  const int error = each_entry(directory->get(), [&](const dirent64& entry) {
    if (is_directory(entry)) found.emplace_back(entry.d_name);
    return true;
  });
  if (error != 0) return kernel_error("cannot list", absolute(path), error);
  std::ranges::sort(found);
  return found;
}

Result<std::optional<NodeStatus>> LinuxTree::status(std::string_view path) const {
  const std::string name(path);
  struct statx found {};
  // A look at what a process has open must not wait for a server that is gone.
  constexpr int flags = AT_STATX_DONT_SYNC | AT_NO_AUTOMOUNT;
  if (::statx(root_.get(), name.c_str(), flags, STATX_BASIC_STATS, &found) != 0) {
    if (errno == ENOENT || errno == ENOTDIR) return std::nullopt;
    return kernel_error("cannot look at", absolute(path), errno);
  }
  return NodeStatus{.mode = found.stx_mode & 07777U,
                    .uid = found.stx_uid,
                    .gid = found.stx_gid,
                    .major = found.stx_rdev_major,
                    .minor = found.stx_rdev_minor,
                    .size = found.stx_size,
                    .character_device = S_ISCHR(found.stx_mode),
                    .block_device = S_ISBLK(found.stx_mode),
                    .directory = S_ISDIR(found.stx_mode),
                    .inode = found.stx_ino};
}

}  // namespace devbindd::sysfs
