// SPDX-License-Identifier: Apache-2.0
#include "sysfs/kernel/uevent.hpp"

#include <linux/netlink.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <span>

#include "sysfs/kernel/kernel_messages.hpp"
#include "sysfs/kernel/lent_rights.hpp"

namespace devbindd::sysfs {

std::optional<Uevent> parse_uevent(std::string_view message) {
  const auto header = message.substr(0, message.find('\0'));
  const auto at = header.find('@');
  if (at == std::string_view::npos || at == 0 || at + 1 >= header.size() || header[at + 1] != '/') return std::nullopt;
  Uevent event;
  event.action = header.substr(0, at);
  event.devpath = header.substr(at + 1);
  auto rest = message.substr(std::min(header.size() + 1, message.size()));
  while (!rest.empty()) {
    const auto end = std::min(rest.find('\0'), rest.size());
    const auto line = rest.substr(0, end);
    if (const auto equals = line.find('='); equals != std::string_view::npos && equals > 0) {
      event.keys.emplace(line.substr(0, equals), line.substr(equals + 1));
    }
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  if (const auto subsystem = event.keys.find("SUBSYSTEM"); subsystem != event.keys.end()) {
    event.subsystem = subsystem->second;
  }
  return event;
}

std::vector<PciAddress> addresses_in(std::string_view devpath) {
  std::vector<PciAddress> found;
  while (!devpath.empty()) {
    const auto end = std::min(devpath.find('/'), devpath.size());
    if (const auto address = parse_pci_address(devpath.substr(0, end))) found.push_back(*address);
    devpath.remove_prefix(std::min(end + 1, devpath.size()));
  }
  return found;
}

Result<UeventSocket> UeventSocket::open() {
  FileDescriptor fd(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_KOBJECT_UEVENT));
  if (!fd) return fail(ErrorCode::Kernel, "cannot open the kernel's uevent socket: " + errno_text(errno), errno);
  const int wanted = 4 << 20;  // room for the burst of a card with hundreds of VFs
  if (!widen_receive_buffer(fd, wanted)) {
    (void)::setsockopt(fd.get(), SOL_SOCKET, SO_RCVBUF, &wanted,
                       sizeof wanted);  // without CAP_NET_ADMIN: what is allowed
  }
  sockaddr_nl address{};
  address.nl_family = AF_NETLINK;
  address.nl_groups = 1;
  if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    return fail(ErrorCode::Kernel, "cannot subscribe to kernel uevents: " + errno_text(errno), errno);
  }
  return UeventSocket(std::move(fd));
}

UeventBatch UeventSocket::drain() {
  UeventBatch batch;
  batch.lost = take_kernel_messages(socket_.get(), [&batch](std::span<const char> message) {
    if (auto event = parse_uevent({message.data(), message.size()})) batch.events.push_back(std::move(*event));
  });
  return batch;
}

}  // namespace devbindd::sysfs
