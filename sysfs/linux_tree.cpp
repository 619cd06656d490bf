#include "sysfs/linux_tree.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <memory>

namespace devbindd::sysfs {
namespace {

std::unexpected<Error> kernel_error(std::string_view what, std::string path, int errno_value) {
  return fail(ErrorCode::Kernel,
              std::string(what) + " " + path + ": " + errno_text(errno_value) + " (" + errno_name(errno_value) + ")",
              errno_value, path);
}

}  // namespace

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
  const FileDescriptor fd(::openat(root_.get(), name.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY));
  if (!fd) return kernel_error("cannot open", absolute(path), errno);
  std::string content;
  std::array<char, 4096> buffer{};
  while (content.size() < limit) {
    const auto room = std::min(buffer.size(), limit - content.size());
    const auto got = ::read(fd.get(), buffer.data(), room);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return kernel_error("cannot read", absolute(path), errno);
    if (got == 0) break;
    content.append(buffer.data(), static_cast<std::size_t>(got));
  }
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
  std::array<char, PATH_MAX> target{};
  const auto length = ::readlinkat(root_.get(), name.c_str(), target.data(), target.size());
  if (length < 0) {
    if (errno == ENOENT || errno == EINVAL || errno == ENOTDIR) return std::nullopt;
    return kernel_error("cannot read the link", absolute(path), errno);
  }
  return std::string(target.data(), static_cast<std::size_t>(length));
}

Result<std::vector<std::string>> LinuxTree::list(std::string_view path) const {
  const std::string name(path);
  FileDescriptor fd(::openat(root_.get(), name.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd) return kernel_error("cannot list", absolute(path), errno);
  const std::unique_ptr<DIR, int (*)(DIR*)> directory(::fdopendir(fd.get()), &::closedir);
  if (!directory) return kernel_error("cannot list", absolute(path), errno);
  (void)fd.release();  // closedir owns it now
  std::vector<std::string> names;
  errno = 0;
  while (const dirent* entry = ::readdir(directory.get())) {
    const std::string_view entry_name(entry->d_name);
    if (entry_name != "." && entry_name != "..") names.emplace_back(entry_name);
  }
  if (errno != 0) return kernel_error("cannot list", absolute(path), errno);
  std::ranges::sort(names);
  return names;
}

Result<std::optional<NodeStatus>> LinuxTree::status(std::string_view path) const {
  const std::string name(path);
  struct stat found {};
  if (::fstatat(root_.get(), name.c_str(), &found, 0) != 0) {
    if (errno == ENOENT || errno == ENOTDIR) return std::nullopt;
    return kernel_error("cannot look at", absolute(path), errno);
  }
  return NodeStatus{.mode = found.st_mode & 07777U,
                    .uid = found.st_uid,
                    .gid = found.st_gid,
                    .major = major(found.st_rdev),
                    .minor = minor(found.st_rdev),
                    .size = static_cast<std::uint64_t>(found.st_size),
                    .character_device = S_ISCHR(found.st_mode),
                    .block_device = S_ISBLK(found.st_mode),
                    .directory = S_ISDIR(found.st_mode),
                    .inode = found.st_ino};
}

}  // namespace devbindd::sysfs
