// SPDX-License-Identifier: Apache-2.0
#include "sysfs/kernel/kernel_messages.hpp"

#include <linux/netlink.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>

namespace devbindd::sysfs {

bool take_kernel_messages(int socket, const std::function<void(std::span<const char>)>& take) {
  std::array<char, 32768> buffer;  // NOLINT: every byte that is read was written before
  bool lost = false;
  while (true) {
    sockaddr_nl sender{};
    socklen_t sender_size = sizeof sender;
    const auto size =
        ::recvfrom(socket, buffer.data(), buffer.size(), 0, reinterpret_cast<sockaddr*>(&sender), &sender_size);
    if (size >= 0) {
      if (sender.nl_pid == 0) take({buffer.data(), static_cast<std::size_t>(size)});
      continue;
    }
    if (errno == EINTR) continue;
    if (errno == EAGAIN || errno == EWOULDBLOCK) return lost;
    lost = true;
    if (errno != ENOBUFS) return lost;
  }
}

}  // namespace devbindd::sysfs
