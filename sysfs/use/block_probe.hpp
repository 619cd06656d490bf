// SPDX-License-Identifier: Apache-2.0
// The real answers to BlockSeams: they open the node of a disk, for reading only, and close it again. A broken disk may
// keep the caller waiting: worker processes only.
#pragma once

#include "sysfs/use/block_use.hpp"

namespace devbindd::sysfs {

/// open(2) with O_EXCL claims the disk for an instant: 0, or the errno. EBUSY means that a file system, swap, md, dm or
/// another exclusive opener has it or one of its partitions. Source: block/bdev.c, bd_prepare_to_claim.
int open_block_exclusively(const std::string& node);

/// What libblkid's low-level probing finds at the beginning of the device: a superblock's type, else a partition
/// table's. nullopt when it looks blank or cannot be read; "several signatures" when it is ambivalent.
std::optional<std::string> block_signature(const std::string& node);

/// What a loop device stands on, by LOOP_GET_STATUS64; nullopt when it is not set up or may not be opened.
/// Source: include/uapi/linux/loop.h; drivers/block/loop.c, loop_get_status (lo_device is st_dev, lo_rdevice st_rdev).
std::optional<LoopBacking> loop_backing(const std::string& node);

BlockSeams real_block_seams();

}  // namespace devbindd::sysfs
