// SPDX-License-Identifier: Apache-2.0
#include "vfio/node_access.hpp"

#include <sys/acl.h>

#include <acl/libacl.h>
#include <array>
#include <cerrno>
#include <cstring>
#include <memory>
#include <vector>

namespace devbindd::vfio {
namespace {

struct FreeAcl {
  void operator()(void* acl) const { ::acl_free(acl); }
};
using Acl = std::unique_ptr<std::remove_pointer_t<acl_t>, FreeAcl>;

std::unexpected<sysfs::Error> failed(const std::string& what, const std::string& path) {
  const int errno_value = errno;
  return sysfs::fail(sysfs::ErrorCode::Kernel, "cannot " + what + " " + path + ": " + std::strerror(errno_value),
                     errno_value, path);
}

// The entry for this user or group, or nullptr.
acl_entry_t entry_of(acl_t acl, acl_tag_t tag, unsigned id) {
  acl_entry_t entry = nullptr;
  for (int which = ACL_FIRST_ENTRY; ::acl_get_entry(acl, which, &entry) == 1; which = ACL_NEXT_ENTRY) {
    acl_tag_t found = ACL_UNDEFINED_TAG;
    if (::acl_get_tag_type(entry, &found) != 0 || found != tag) continue;
    const std::unique_ptr<void, FreeAcl> qualifier(::acl_get_qualifier(entry));
    if (qualifier && *static_cast<unsigned*>(qualifier.get()) == id) return entry;
  }
  return nullptr;
}

bool allow(acl_t& acl, acl_tag_t tag, unsigned id) {
  auto* entry = entry_of(acl, tag, id);
  if (entry == nullptr) {
    if (::acl_create_entry(&acl, &entry) != 0 || ::acl_set_tag_type(entry, tag) != 0 ||
        ::acl_set_qualifier(entry, &id) != 0)
      return false;
  }
  acl_permset_t permissions = nullptr;
  return ::acl_get_permset(entry, &permissions) == 0 && ::acl_add_perm(permissions, ACL_READ) == 0 &&
         ::acl_add_perm(permissions, ACL_WRITE) == 0;
}

bool lets_use(acl_entry_t entry) {
  acl_permset_t permissions = nullptr;
  return ::acl_get_permset(entry, &permissions) == 0 && ::acl_get_perm(permissions, ACL_READ) == 1 &&
         ::acl_get_perm(permissions, ACL_WRITE) == 1;
}

// What limits the entries for users and groups by name, and the owning group's; nullptr where nothing does.
acl_entry_t mask_of(acl_t acl) {
  acl_entry_t entry = nullptr;
  for (int which = ACL_FIRST_ENTRY; ::acl_get_entry(acl, which, &entry) == 1; which = ACL_NEXT_ENTRY) {
    acl_tag_t tag = ACL_UNDEFINED_TAG;
    if (::acl_get_tag_type(entry, &tag) == 0 && tag == ACL_MASK) return entry;
  }
  return nullptr;
}

// Others' entries that the mask has made void stay so when it gets wider: they lose what it kept from them.
bool keep_narrow(acl_t acl) {
  auto* mask = mask_of(acl);
  if (mask == nullptr) return true;
  acl_entry_t entry = nullptr;
  std::vector<acl_entry_t> masked;
  for (int which = ACL_FIRST_ENTRY; ::acl_get_entry(acl, which, &entry) == 1; which = ACL_NEXT_ENTRY) {
    acl_tag_t tag = ACL_UNDEFINED_TAG;
    if (::acl_get_tag_type(entry, &tag) != 0) return false;
    if (tag == ACL_USER || tag == ACL_GROUP || tag == ACL_GROUP_OBJ) masked.push_back(entry);
  }
  acl_permset_t limit = nullptr;
  if (::acl_get_permset(mask, &limit) != 0) return false;
  for (auto* each : masked) {
    acl_permset_t permissions = nullptr;
    if (::acl_get_permset(each, &permissions) != 0) return false;
    for (const auto permission : std::array<acl_perm_t, 3>{ACL_READ, ACL_WRITE, ACL_EXECUTE}) {
      if (::acl_get_perm(limit, permission) == 0 && ::acl_delete_perm(permissions, permission) != 0) return false;
    }
  }
  return true;
}

bool drop(acl_t acl, acl_tag_t tag, unsigned id) {
  auto* entry = entry_of(acl, tag, id);
  return entry == nullptr || ::acl_delete_entry(acl, entry) == 0;
}

template <class Change>
bool each_grantee(const Grantees& grantees, Change change) {
  for (const auto uid : grantees.uids) {
    if (!change(ACL_USER, uid)) return false;
  }
  for (const auto gid : grantees.gids) {
    if (!change(ACL_GROUP, gid)) return false;
  }
  return true;
}

// The mask is what the node's group bits show; udev or chmod may have narrowed it.
sysfs::Result<> store(const std::string& path, acl_t acl) {
  if (::acl_calc_mask(&acl) != 0 || ::acl_set_file(path.c_str(), ACL_TYPE_ACCESS, acl) != 0)
    return failed("set the ACL of", path);
  return {};
}

}  // namespace

sysfs::Result<> grant_access(const std::string& path, const Grantees& grantees) {
  auto* acl = ::acl_get_file(path.c_str(), ACL_TYPE_ACCESS);
  if (acl == nullptr) return failed("read the ACL of", path);
  const bool allowed =
      keep_narrow(acl) && each_grantee(grantees, [&acl](acl_tag_t tag, unsigned id) { return allow(acl, tag, id); });
  const Acl owned(acl);  // adding entries may have moved it
  if (!allowed) return failed("change the ACL of", path);
  return store(path, acl);
}

sysfs::Result<> revoke_access(const std::string& path, const Grantees& grantees) {
  const Acl acl(::acl_get_file(path.c_str(), ACL_TYPE_ACCESS));
  if (!acl && (errno == ENOENT || errno == ENOTSUP)) return {};  // without ACLs nothing was granted
  if (!acl) return failed("read the ACL of", path);
  const auto take = [&acl](acl_tag_t tag, unsigned id) { return drop(acl.get(), tag, id); };
  if (!keep_narrow(acl.get()) || !each_grantee(grantees, take)) return failed("change the ACL of", path);
  // Without named entries it is a plain mode again, in which the mask would widen the group's bits.
  acl_entry_t entry = nullptr;
  std::size_t named = 0;
  for (int which = ACL_FIRST_ENTRY; ::acl_get_entry(acl.get(), which, &entry) == 1; which = ACL_NEXT_ENTRY) {
    acl_tag_t tag = ACL_UNDEFINED_TAG;
    ::acl_get_tag_type(entry, &tag);
    named += tag == ACL_USER || tag == ACL_GROUP ? 1 : 0;
  }
  if (named > 0) return store(path, acl.get());
  if (auto* mask = mask_of(acl.get())) ::acl_delete_entry(acl.get(), mask);
  if (::acl_set_file(path.c_str(), ACL_TYPE_ACCESS, acl.get()) != 0) return failed("set the ACL of", path);
  return {};
}

sysfs::Result<Grantees> who_has_access(const std::string& path, const Grantees& grantees) {
  const Acl acl(::acl_get_file(path.c_str(), ACL_TYPE_ACCESS));
  if (!acl && (errno == ENOENT || errno == ENOTSUP)) return Grantees{};
  if (!acl) return failed("read the ACL of", path);
  Grantees found;
  if (auto* mask = mask_of(acl.get()); mask != nullptr && !lets_use(mask)) return found;
  each_grantee(grantees, [&](acl_tag_t tag, unsigned id) {
    auto* entry = entry_of(acl.get(), tag, id);
    if (entry != nullptr && lets_use(entry)) (tag == ACL_USER ? found.uids : found.gids).push_back(id);
    return true;
  });
  return found;
}

}  // namespace devbindd::vfio
