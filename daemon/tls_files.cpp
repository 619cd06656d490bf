// SPDX-License-Identifier: Apache-2.0
#include "daemon/tls_files.hpp"

#include <sys/stat.h>

#include <cerrno>
#include <cstdlib>
#include <string_view>

#include "sysfs/kernel/file_descriptor.hpp"
#include "sysfs/kernel/lent_rights.hpp"
#include "sysfs/kernel/open_file.hpp"

namespace devbindd::daemon {
namespace {

constexpr std::size_t most_bytes = 1U << 20U;

enum class Secrecy { Public, Secret };

sysfs::Error unreadable(const std::string& path, int error) {
  return {sysfs::ErrorCode::Kernel, "cannot read " + path + " of \"tls\": " + sysfs::errno_text(error), error, path};
}

sysfs::Result<std::string> path_of(const std::string& name) {
  constexpr std::string_view credential = "credential:";
  if (!name.starts_with(credential)) return name;
  const char* directory = std::getenv("CREDENTIALS_DIRECTORY");
  if (directory != nullptr) return std::string(directory) + "/" + name.substr(credential.size());
  return sysfs::fail(sysfs::ErrorCode::Kernel,
                     name + " of \"tls\": systemd has passed no credentials (LoadCredential= in the unit)", ENOENT);
}

sysfs::Result<> check(const sysfs::FileDescriptor& file, const std::string& path, Secrecy secrecy) {
  struct stat status {};
  if (::fstat(file.get(), &status) != 0) return std::unexpected(unreadable(path, errno));
  if (!S_ISREG(status.st_mode)) return std::unexpected(unreadable(path, S_ISDIR(status.st_mode) ? EISDIR : EINVAL));
  if (status.st_size > static_cast<off_t>(most_bytes)) return std::unexpected(unreadable(path, EFBIG));
  if (secrecy == Secrecy::Secret && (status.st_mode & S_IROTH) != 0)
    return sysfs::fail(sysfs::ErrorCode::Kernel, path + " of \"tls\" can be read by everybody: chmod o-r " + path,
                       EPERM, path);
  return {};
}

sysfs::Result<std::string> read_file(const std::string& name, Secrecy secrecy) {
  const auto path = path_of(name);
  if (!path) return path;
  // One that is a pipe must not keep the daemon waiting.
  const auto file = sysfs::open_for_reading(*path);
  if (!file) return std::unexpected(unreadable(*path, errno));
  if (auto good = check(file, *path, secrecy); !good) return std::unexpected(good.error());
  auto text = sysfs::read_until(file, most_bytes);
  if (!text) return std::unexpected(unreadable(*path, errno));
  if (text->size() > most_bytes) return std::unexpected(unreadable(*path, EFBIG));
  return std::move(*text);
}

}  // namespace

sysfs::Result<api::TlsMaterial> read_tls_files(const TlsConfiguration& tls) {
  auto certificate = read_file(tls.certificate, Secrecy::Public);
  if (!certificate) return std::unexpected(certificate.error());
  auto key = read_file(tls.key, Secrecy::Secret);
  if (!key) return std::unexpected(key.error());
  auto client_ca = read_file(tls.client_ca, Secrecy::Public);
  if (!client_ca) return std::unexpected(client_ca.error());
  return api::TlsMaterial{std::move(*certificate), std::move(*key), std::move(*client_ca)};
}

}  // namespace devbindd::daemon
