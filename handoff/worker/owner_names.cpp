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

// `look_up` is one of getpwnam_r, getgrnam_r, getpwuid_r and getgrgid_r, which want room for the whole entry and say
// ERANGE when it is too little; `key` is a name or a number.
template <class Entry, class Key, class LookUp, class Wanted>
auto find(Key key, const std::string& text, LookUp look_up, Wanted wanted)
    -> sysfs::Result<std::optional<decltype(wanted(Entry{}))>> {
  for (std::vector<char> room(4096); room.size() <= largest_entry; room.resize(room.size() * 2)) {
    Entry entry{};
    Entry* found = nullptr;
    const int status = look_up(key, &entry, room.data(), room.size(), &found);
    if (found != nullptr) return std::optional(wanted(entry));
    if (status == ERANGE) continue;
    // "Not found" is 0, or one of these with some name services (getpwnam_r(3), NOTES).
    if (status == 0 || status == ENOENT || status == ESRCH || status == EBADF || status == EPERM) return std::nullopt;
    return sysfs::fail(sysfs::ErrorCode::Kernel,
                       "cannot look up '" + text + "' in the name service: " + std::strerror(status), status);
  }
  return sysfs::fail(sysfs::ErrorCode::Kernel, "the entry of '" + text + "' in the name service is too large", ERANGE);
}

}  // namespace

sysfs::Result<std::optional<unsigned>> user_id(const std::string& name) {
  return find<passwd>(name.c_str(), name, ::getpwnam_r, [](const passwd& entry) { return unsigned{entry.pw_uid}; });
}

sysfs::Result<std::optional<unsigned>> group_id(const std::string& name) {
  return find<group>(name.c_str(), name, ::getgrnam_r, [](const group& entry) { return unsigned{entry.gr_gid}; });
}

sysfs::Result<std::optional<std::string>> user_name(unsigned uid) {
  return find<passwd>(uid, std::to_string(uid), ::getpwuid_r,
                      [](const passwd& entry) { return std::string(entry.pw_name); });
}

sysfs::Result<std::optional<std::string>> group_name(unsigned gid) {
  return find<group>(gid, std::to_string(gid), ::getgrgid_r,
                     [](const group& entry) { return std::string(entry.gr_name); });
}

}  // namespace devbindd::handoff
