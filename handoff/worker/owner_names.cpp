// SPDX-License-Identifier: Apache-2.0
#include "handoff/worker/owner_names.hpp"

#include <grp.h>
#include <pwd.h>

#include <cerrno>
#include <cstring>
#include <vector>

namespace devbindd::handoff {
namespace {

constexpr std::size_t largest_entry = 1U << 20U;  // a group with many members

// `look_up` is getpwnam_r or getgrnam_r, which want room for the whole entry and say ERANGE when it is too little.
template <class Entry, class LookUp, class NumberOf>
sysfs::Result<std::optional<unsigned>> find(const std::string& name, LookUp look_up, NumberOf number_of) {
  for (std::vector<char> room(4096); room.size() <= largest_entry; room.resize(room.size() * 2)) {
    Entry entry{};
    Entry* found = nullptr;
    const int status = look_up(name.c_str(), &entry, room.data(), room.size(), &found);
    if (found != nullptr) return std::optional(number_of(entry));
    if (status == ERANGE) continue;
    // "Not found" is 0, or one of these with some name services (getpwnam_r(3), NOTES).
    if (status == 0 || status == ENOENT || status == ESRCH || status == EBADF || status == EPERM)
      return std::optional<unsigned>{};
    return sysfs::fail(sysfs::ErrorCode::Kernel,
                       "cannot look up '" + name + "' in the name service: " + std::strerror(status), status);
  }
  return sysfs::fail(sysfs::ErrorCode::Kernel, "the entry of '" + name + "' in the name service is too large", ERANGE);
}

}  // namespace

sysfs::Result<std::optional<unsigned>> user_id(const std::string& name) {
  return find<passwd>(name, ::getpwnam_r, [](const passwd& entry) { return static_cast<unsigned>(entry.pw_uid); });
}

sysfs::Result<std::optional<unsigned>> group_id(const std::string& name) {
  return find<group>(name, ::getgrnam_r, [](const group& entry) { return static_cast<unsigned>(entry.gr_gid); });
}

}  // namespace devbindd::handoff
