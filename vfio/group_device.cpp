// SPDX-License-Identifier: Apache-2.0
#include "vfio/group_device.hpp"

#include <linux/vfio.h>

#include <cerrno>
#include <cstring>

#include "vfio/question.hpp"

namespace devbindd::vfio {
namespace {

constexpr int open_attempts = 5;

}  // namespace

Result<> attach_group(const Ioctl& ioctl, const FileDescriptor& container, const FileDescriptor& group,
                      unsigned long iommu_type) {
  auto argument = bytes_of(container.get());
  if (auto done = ioctl.call(group, VFIO_GROUP_SET_CONTAINER, argument); !done) return std::unexpected(done.error());
  if (auto done = ioctl.call(container, VFIO_SET_IOMMU, iommu_type); !done) return std::unexpected(done.error());
  return {};
}

// While the device's lock is taken by a reset the open fails with EAGAIN.
Result<FileDescriptor> device_of_group(const Ioctl& ioctl, const FileDescriptor& group, const std::string& name) {
  Bytes text(name.size() + 1);
  std::memcpy(text.data(), name.c_str(), text.size());
  for (int attempt = 1;; ++attempt) {
    auto device = ioctl.call(group, VFIO_GROUP_GET_DEVICE_FD, text);
    if (device) return FileDescriptor(*device);
    if (device.error().errno_value != EAGAIN || attempt == open_attempts) return std::unexpected(device.error());
  }
}

Result<> set_vf_token(const Ioctl& ioctl, const std::string& group_node, const std::string& address,
                      const std::string& token) {
  auto container = ioctl.open_container();
  if (!container) return std::unexpected(container.error());
  auto group = ioctl.open_node(group_node);
  if (!group) return std::unexpected(group.error());
  if (auto done = attach_group(ioctl, *container, *group, VFIO_TYPE1v2_IOMMU); !done) return done;
  auto device = device_of_group(ioctl, *group, address + " vf_token=" + token);
  if (!device) return std::unexpected(device.error());
  return {};
}

}  // namespace devbindd::vfio
