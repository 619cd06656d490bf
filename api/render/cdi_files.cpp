// SPDX-License-Identifier: Apache-2.0
#include "api/render/cdi_files.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

#include "sysfs/kernel/file_descriptor.hpp"

namespace devbindd::api {
namespace {

constexpr std::string_view prefix = "devbindd-vfio-";
constexpr std::string_view suffix = ".json";

std::unexpected<sysfs::Error> failed(const std::string& what, const std::string& path, int errno_value) {
  return sysfs::fail(
      sysfs::ErrorCode::Kernel,
      "cdi_directory of the configuration: cannot " + what + " " + path + ": " + std::strerror(errno_value),
      errno_value, path);
}

sysfs::Result<> write_all(const std::string& path, const std::string& text) {
  const sysfs::FileDescriptor file(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644));
  // Container runtimes of every user read it, whatever the daemon's umask is.
  if (!file || ::fchmod(file.get(), 0644) != 0) return failed("make", path, errno);
  std::size_t written = 0;
  while (written < text.size()) {
    const auto size = ::write(file.get(), text.data() + written, text.size() - written);
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) return failed("write", path, errno);
    written += static_cast<std::size_t>(size);
  }
  if (::fsync(file.get()) != 0) return failed("write", path, errno);
  return {};
}

}  // namespace

std::string CdiFiles::path_of(const std::string& claim) const {
  return directory_ + "/" + std::string(prefix) + claim + std::string(suffix);
}

sysfs::Result<> CdiFiles::prepare() const {
  if (directory_.empty()) return {};
  std::error_code error;
  const bool made = std::filesystem::create_directories(directory_, error);
  if (error) return failed("make", directory_, error.value());
  if (made && ::chmod(directory_.c_str(), 0755) != 0) return failed("open", directory_, errno);
  if (::access(directory_.c_str(), W_OK | X_OK) != 0) return failed("write to", directory_, errno);
  return {};
}

std::string cdi_text(const Handover& handover) {
  return handover.devices.empty() ? std::string{} : render_handover(handover, HandoverFormat::Cdi).text;
}

sysfs::Result<> CdiFiles::write(const std::string& claim, const std::string& text) const {
  if (directory_.empty()) return {};
  if (auto made = prepare(); !made) return made;
  const auto path = path_of(claim);
  const auto draft = path + ".draft";  // a runtime reads only what ends in .json or .yaml
  if (auto written = write_all(draft, text); !written) return written;
  if (::rename(draft.c_str(), path.c_str()) != 0) return failed("rename", draft, errno);
  return {};
}

sysfs::Result<> CdiFiles::remove(const std::string& claim) const {
  if (directory_.empty()) return {};
  const auto path = path_of(claim);
  if (::unlink(path.c_str()) != 0 && errno != ENOENT) return failed("remove", path, errno);
  return {};
}

sysfs::Result<> CdiFiles::put(const std::string& claim, const std::string& text) const {
  return text.empty() ? remove(claim) : write(claim, text);
}

sysfs::Result<> CdiFiles::tidy(const std::set<std::string>& claims) const {
  const auto prepared = prepare();
  return prepared ? keep_only(claims) : prepared;
}

sysfs::Result<> CdiFiles::keep_only(const std::set<std::string>& claims) const {
  if (directory_.empty()) return {};
  std::error_code error;
  std::filesystem::directory_iterator files(directory_, error);
  if (error == std::errc::no_such_file_or_directory) return {};
  if (error) return failed("read", directory_, error.value());
  for (const auto& file : files) {
    const auto name = file.path().filename().string();
    if (!name.starts_with(prefix)) continue;
    auto claim = name.substr(prefix.size());
    if (claim.ends_with(suffix)) claim.resize(claim.size() - suffix.size());
    if (name.ends_with(suffix) && claims.contains(claim)) continue;  // what does not end so is a draft
    if (::unlink(file.path().c_str()) != 0 && errno != ENOENT) return failed("remove", file.path().string(), errno);
  }
  return {};
}

}  // namespace devbindd::api
