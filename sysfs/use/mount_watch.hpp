// SPDX-License-Identifier: Apache-2.0
// That something has been mounted, unmounted, swapped to or no longer. Not here: what is (mounts.hpp).
#pragma once

#include <map>
#include <set>

#include "sysfs/kernel/fields.hpp"
#include "sysfs/kernel/file_descriptor.hpp"
#include "sysfs/kernel/tree.hpp"

namespace devbindd::sysfs {

class MountWatch {
 public:
  /// Opens the host's tables, which can be polled for changes, and reads them. Error: Kernel. Source: proc(5), "Since
  /// kernel 2.6.15, this file is pollable"; fs/proc_namespace.c, mounts_poll(); mm/swapfile.c, swaps_poll().
  static Result<MountWatch> open(const Tree& tree);

  /// Each of them is ready with an exceptional condition (EPOLLPRI) after a change.
  int mounts_descriptor() const { return mounts_.get(); }
  int swaps_descriptor() const { return swaps_.get(); }
  /// The block devices that carry more or fewer mounts and swap areas than at the last look.
  std::set<DeviceNumber> changed();

 private:
  MountWatch(const Tree& tree, FileDescriptor mounts, FileDescriptor swaps);

  const Tree* tree_;
  FileDescriptor mounts_;
  FileDescriptor swaps_;
  std::map<DeviceNumber, unsigned> carried_;
};

}  // namespace devbindd::sysfs
