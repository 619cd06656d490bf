// SPDX-License-Identifier: Apache-2.0
// The seam to VFIO's ioctls: one thin function per call. One real implementation and one fake in the tests.
// Only this folder opens /dev/vfio. Not here: what the answers mean.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "sysfs/kernel/file_descriptor.hpp"
#include "sysfs/kernel/result.hpp"

namespace devbindd::vfio {

using sysfs::FileDescriptor;
using sysfs::Result;
using Bytes = std::vector<std::byte>;

/// Every error is ErrorCode::Kernel with the errno of the call.
class Ioctl {
 public:
  virtual ~Ioctl() = default;

  /// Opens /dev/vfio/vfio. Touches no device; where the node is static it makes the kernel load the vfio module.
  virtual Result<FileDescriptor> open_container() const = 0;
  /// VFIO_GET_API_VERSION. 0 is the only version there is.
  virtual Result<int> api_version(const FileDescriptor& container) const = 0;
  /// VFIO_CHECK_EXTENSION: 0 when the kernel does not have it, else a positive number.
  virtual Result<int> check_extension(const FileDescriptor& container, unsigned long extension) const = 0;

  /// Opens a node: /dev/vfio/N, /dev/vfio/devices/vfioN or /dev/iommu. Opening a group resets nothing.
  virtual Result<FileDescriptor> open_node(const std::string& path) const = 0;
  /// An ioctl whose argument is a buffer that the kernel reads and fills. Returns the call's value (a descriptor for
  /// VFIO_GROUP_GET_DEVICE_FD, else 0).
  virtual Result<int> call(const FileDescriptor& fd, unsigned long request, Bytes& argument) const = 0;
  /// An ioctl whose argument is a number.
  virtual Result<int> call(const FileDescriptor& fd, unsigned long request, unsigned long argument) const = 0;
};

}  // namespace devbindd::vfio
