// SPDX-License-Identifier: Apache-2.0
#include "sysfs/use/mount_watch.hpp"

#include <fcntl.h>

#include <cerrno>
#include <utility>

#include "sysfs/use/mounts.hpp"

namespace devbindd::sysfs {

Result<MountWatch> MountWatch::open(const Tree& tree) {
  FileDescriptor mounts(::open("/proc/1/mountinfo", O_RDONLY | O_CLOEXEC));
  if (!mounts) mounts = FileDescriptor(::open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC));
  if (!mounts) return fail(ErrorCode::Kernel, "cannot open /proc/self/mountinfo: " + errno_text(errno), errno);
  FileDescriptor swaps(::open("/proc/swaps", O_RDONLY | O_CLOEXEC));
  if (!swaps) return fail(ErrorCode::Kernel, "cannot open /proc/swaps: " + errno_text(errno), errno);
  return MountWatch(tree, std::move(mounts), std::move(swaps));
}

MountWatch::MountWatch(const Tree& tree, FileDescriptor mounts, FileDescriptor swaps)
    : tree_(&tree), mounts_(std::move(mounts)), swaps_(std::move(swaps)), carried_(mounted_or_swapped(tree)) {}

std::set<DeviceNumber> MountWatch::changed() {
  const auto before = std::exchange(carried_, mounted_or_swapped(*tree_));
  std::set<DeviceNumber> numbers;
  const auto compare = [&numbers](const auto& here, const auto& there) {
    for (const auto& [number, count] : here) {
      const auto other = there.find(number);
      if (other == there.end() || other->second != count) numbers.insert(number);
    }
  };
  compare(before, carried_);
  compare(carried_, before);
  return numbers;
}

}  // namespace devbindd::sysfs
