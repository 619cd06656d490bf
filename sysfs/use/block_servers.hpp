// SPDX-License-Identifier: Apache-2.0
// What in the kernel works on a block device or an NVMe controller without a process, a holder or an exclusive claim
// that shows it: targets that serve it to others, USB gadgets, zram's back end. By the configuration that the kernel
// shows. Not here: what it means for a disk (block_use.hpp).
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "sysfs/kernel/fields.hpp"
#include "sysfs/kernel/tree.hpp"

namespace devbindd::sysfs {

struct BlockServer {
  std::string what = {};                   ///< "namespace 1 of the NVMe target nqn.2014-08.org.example:disk"
  std::string backing = {};                ///< "/dev/nvme0n1", or the path of a file
  std::optional<DeviceNumber> node = {};   ///< of the backing; nullopt where it is a file, or cannot be found
  bool block = false;                      ///< the node is a block device, else a character device
  std::optional<std::string> device = {};  ///< the block device that it makes of it: "zram0"
};

struct BlockServers {
  std::vector<BlockServer> servers = {};
  std::string not_visible = {};  ///< what could not be seen and why, a clause; "" where all could be
};

/// The enabled namespaces and pass-through controllers of the NVMe target, the configured back ends of the SCSI target
/// (LIO: iblock, fileio, pscsi), the LUNs of USB mass storage gadgets, the back ends of zram, the
/// block device of pstore. Source: configfs, below
/// /sys/kernel/config: drivers/nvme/target/configfs.c (device_path, enable); drivers/target/target_core_configfs.c
/// (info, udev_path), target_core_iblock.c ("Major: 259 Minor: 0"), target_core_file.c ("File: /x"); and
/// drivers/usb/gadget/function/f_mass_storage.c (lun.N/file); drivers/block/zram/zram_drv.c (backing_dev);
/// fs/pstore/blk.c (blkdev), platform.c (backend).
BlockServers read_block_servers(const Tree& tree);

}  // namespace devbindd::sysfs
