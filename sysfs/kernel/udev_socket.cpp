// SPDX-License-Identifier: Apache-2.0
#include "sysfs/kernel/udev_socket.hpp"

#include <linux/netlink.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <string>

namespace devbindd::sysfs {

// Behind a header in binary come the properties, NUL after each.
bool is_about_subsystem(std::string_view message, std::string_view subsystem) {
  using namespace std::string_literals;
  return message.starts_with("libudev"s + '\0') &&
         message.find('\0' + "SUBSYSTEM="s + std::string(subsystem)) != std::string_view::npos;
}

Result<UdevSocket> UdevSocket::open() {
  FileDescriptor fd(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_KOBJECT_UEVENT));
  sockaddr_nl address{};
  address.nl_family = AF_NETLINK;
  address.nl_groups = 2;
  if (!fd || ::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    const int errno_value = errno;
    return fail(ErrorCode::Kernel, std::string("cannot subscribe to udev's events: ") + std::strerror(errno_value),
                errno_value);
  }
  return UdevSocket(std::move(fd));
}

bool UdevSocket::drain(std::string_view subsystem) {
  std::array<char, 16384> buffer{};
  bool found = false;
  while (true) {
    const auto size = ::recv(socket_.get(), buffer.data(), buffer.size(), 0);
    if (size < 0 && errno == EINTR) continue;
    const bool lost = size < 0 && errno == ENOBUFS;
    if (size < 0 && !lost) return found;
    if (lost) {
      found = true;
      continue;
    }
    found = found || is_about_subsystem({buffer.data(), static_cast<std::size_t>(size)}, subsystem);
  }
}

}  // namespace devbindd::sysfs
