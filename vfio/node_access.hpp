// SPDX-License-Identifier: Apache-2.0
// Who may use a VFIO node: entries of its POSIX ACL. An ACL needs no capability of the node's owner, and goes with the
// node. Not here: which nodes there are (nodes.hpp), who asked for access (handoff/claim/claims.hpp).
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "sysfs/kernel/result.hpp"

namespace devbindd::vfio {

struct Grantees {
  std::vector<unsigned> uids;
  std::vector<unsigned> gids;

  bool operator==(const Grantees&) const = default;
};

/// Gives each of them the right to read and write the node, beside whoever has it already. Nobody else gets more than
/// he had: what the mask kept from others they lose. Again is harmless. Errors: Kernel with the errno; ENOTSUP where
/// the file system of /dev has no ACLs. Source: acl(5), acl_set_file(3).
sysfs::Result<> grant_access(const std::string& path, const Grantees& grantees);

/// Takes it away again. A node that is gone, an entry that is not there and a file system without ACLs are
/// success. Errors: Kernel.
sysfs::Result<> revoke_access(const std::string& path, const Grantees& grantees);

/// Which of them may read and write the node by an entry of their own. None of a node that is gone, or where the file
/// system has no ACLs. Errors: Kernel. Source: acl(5), "access check algorithm": the mask limits such entries.
sysfs::Result<Grantees> who_has_access(const std::string& path, const Grantees& grantees);

/// The three as the seam of tests.
struct NodeAccess {
  std::function<sysfs::Result<>(const std::string&, const Grantees&)> grant = grant_access;
  std::function<sysfs::Result<>(const std::string&, const Grantees&)> revoke = revoke_access;
  std::function<sysfs::Result<Grantees>(const std::string&, const Grantees&)> who_has = who_has_access;
};

}  // namespace devbindd::vfio
