// SPDX-License-Identifier: Apache-2.0
#include "vfio/linux_ioctl.hpp"

#include <fcntl.h>
#include <linux/vfio.h>
#include <sys/ioctl.h>

#include <cerrno>
#include <string>

namespace devbindd::vfio {
namespace {

constexpr const char* container_node = "/dev/vfio/vfio";

std::unexpected<sysfs::Error> call_failed(unsigned long request, int errno_value) {
  return sysfs::fail(sysfs::ErrorCode::Kernel,
                     "VFIO ioctl " + std::to_string(request & 0xffU) + ": " + sysfs::errno_text(errno_value) + " (" +
                         sysfs::errno_name(errno_value) + ")",
                     errno_value);
}

std::unexpected<sysfs::Error> failed(std::string_view call, int errno_value) {
  return sysfs::fail(sysfs::ErrorCode::Kernel,
                     std::string(call) + " on " + container_node + ": " + sysfs::errno_text(errno_value) + " (" +
                         sysfs::errno_name(errno_value) + ")",
                     errno_value, container_node);
}

}  // namespace

Result<FileDescriptor> LinuxIoctl::open_container() const {
  FileDescriptor container(::open(container_node, O_RDWR | O_CLOEXEC));
  if (!container) return failed("open", errno);
  return container;
}

Result<int> LinuxIoctl::api_version(const FileDescriptor& container) const {
  const int version = ::ioctl(container.get(), VFIO_GET_API_VERSION);
  if (version < 0) return failed("VFIO_GET_API_VERSION", errno);
  return version;
}

Result<int> LinuxIoctl::check_extension(const FileDescriptor& container, unsigned long extension) const {
  const int answer = ::ioctl(container.get(), VFIO_CHECK_EXTENSION, extension);
  if (answer < 0) return failed("VFIO_CHECK_EXTENSION", errno);
  return answer;
}

Result<FileDescriptor> LinuxIoctl::open_node(const std::string& path) const {
  FileDescriptor node(::open(path.c_str(), O_RDWR | O_CLOEXEC));
  if (node) return node;
  const int errno_value = errno;
  return sysfs::fail(sysfs::ErrorCode::Kernel, "cannot open " + path + ": " + sysfs::errno_text(errno_value),
                     errno_value, path);
}

Result<int> LinuxIoctl::call(const FileDescriptor& fd, unsigned long request, Bytes& argument) const {
  const int value = ::ioctl(fd.get(), request, argument.data());
  if (value < 0) return call_failed(request, errno);
  return value;
}

Result<int> LinuxIoctl::call(const FileDescriptor& fd, unsigned long request, unsigned long argument) const {
  const int value = ::ioctl(fd.get(), request, argument);
  if (value < 0) return call_failed(request, errno);
  return value;
}

}  // namespace devbindd::vfio
