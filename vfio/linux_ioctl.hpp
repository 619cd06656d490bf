// SPDX-License-Identifier: Apache-2.0
// The real Ioctl: the calls of linux/vfio.h on the nodes below /dev/vfio. Calls may block: worker processes only.
#pragma once

#include "vfio/ioctl.hpp"

namespace devbindd::vfio {

class LinuxIoctl final : public Ioctl {
 public:
  Result<FileDescriptor> open_container() const override;
  Result<int> api_version(const FileDescriptor& container) const override;
  Result<int> check_extension(const FileDescriptor& container, unsigned long extension) const override;
  Result<FileDescriptor> open_node(const std::string& path) const override;
  Result<int> call(const FileDescriptor& fd, unsigned long request, Bytes& argument) const override;
  Result<int> call(const FileDescriptor& fd, unsigned long request, unsigned long argument) const override;
};

}  // namespace devbindd::vfio
