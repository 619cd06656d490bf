// SPDX-License-Identifier: Apache-2.0
// File systems that stand on a PCI function without a block device in between: 9p and virtiofs shares of a hypervisor,
// VirtualBox shared folders, JFFS2 and UBIFS on flash. Not here: file systems on disks (block_use.hpp).
#pragma once

#include <string>
#include <vector>

#include "sysfs/device/descendants.hpp"
#include "sysfs/use/mounts.hpp"
#include "sysfs/use/use.hpp"

namespace devbindd::sysfs {

/// ShareMounted for each place where a share of the function is mounted in any mount namespace. ShareBound for a share
/// that the driver has and that no mount table shows, since it can be mounted all the same: below an overlay, as the
/// root that switch_root has left behind, after a lazy unmount. Only the transport's use count can tell that it is not:
/// it is the number of the mounted shares of that kind. A KernelUse for flash that UBI has taken.
/// Source: net/9p/trans_virtio.c (mount_tag, whose content ends with a NUL; p9_client_create takes the transport's
/// module); fs/fuse/virtio_fs.c (/sys/fs/virtiofs, kernel 6.9); fs/super.c (a super block takes its file system's
/// module); fs/mtd super blocks have the number 31:N (drivers/mtd/mtdsuper.c); drivers/mtd/ubi/build.c (mtd_num).
std::vector<Use> share_uses(const Tree& tree, const std::string& driver, const std::vector<Descendant>& descendants,
                            const MountTable& table);

/// Whether the function can have such a share: the mount tables need not be read for any other.
bool may_have_shares(const Tree& tree, const std::string& driver, const std::vector<Descendant>& descendants);

}  // namespace devbindd::sysfs
