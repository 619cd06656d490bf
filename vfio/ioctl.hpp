// The seam to VFIO's ioctls: one thin function per call. One real implementation and one fake in the tests.
// Only this folder opens /dev/vfio. Not here: what the answers mean.
#pragma once

#include "sysfs/file_descriptor.hpp"
#include "sysfs/result.hpp"

namespace devbindd::vfio {

using sysfs::FileDescriptor;
using sysfs::Result;

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
};

}  // namespace devbindd::vfio
