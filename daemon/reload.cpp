// SPDX-License-Identifier: Apache-2.0
#include "daemon/reload.hpp"

#include <grp.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <cerrno>

#include "daemon/access_names.hpp"
#include "daemon/doors.hpp"

namespace devbindd::daemon {
namespace {

std::optional<unsigned> group_id(const std::string& name) {
  if (name.empty()) return std::nullopt;
  const auto* entry = ::getgrnam(name.c_str());
  if (entry == nullptr) return std::nullopt;
  return entry->gr_gid;
}

sysfs::Result<> put_in_force(api::Server& server, const Configuration& current, const Configuration& next) {
  if (next.tls && !current.tls) spdlog::warn("\"tls\" is new: devbindd listens there from the next start on, ignoring");
  if (next.tls && current.tls) {
    if (auto done = use_tls_files(server, next); !done) return done;
  }
  server.use_access(access_of(next));
  spdlog::set_level(spdlog::level::from_str(next.log_level));
  return {};
}

}  // namespace

std::optional<unsigned> socket_group(const Configuration& configuration) {
  return ::geteuid() == 0 || !configuration.read_only ? group_id(configuration.unix_group) : std::nullopt;
}

api::AccessRules access_of(const Configuration& configuration) {
  return rules_in_force(configuration, socket_group(configuration),
                        [](const std::string& message) { spdlog::warn("{}, ignoring", message); });
}

void use_again(api::Server& server, const Configuration& current,
               const std::expected<Configuration, std::string>& next) {
  const auto done =
      next ? put_in_force(server, current, *next) : sysfs::fail(sysfs::ErrorCode::Kernel, next.error(), EINVAL);
  if (!done) return spdlog::error("what was in force stays so: {}", done.error().message);
  spdlog::info(
      "\"access\", \"log_level\" and the files of \"tls\" are in force as they are now; the rest of the configuration "
      "counts from the next start on");
}

}  // namespace devbindd::daemon
