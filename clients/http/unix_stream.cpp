// SPDX-License-Identifier: Apache-2.0
#include "clients/http/unix_stream.hpp"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <array>
#include <cerrno>
#include <cstring>

namespace devbindd::clients {
namespace {

constexpr std::size_t most_descriptors = 253;  // SCM_MAX_FD

std::string why_no_connection(const std::string& path, int error) {
  if (error == EACCES || error == EPERM)
    return "You may not open " + path +
           ": be root, or have an administrator add you to the group devbindd (its members may move every PCI device "
           "of "
           "this host), and log in again.";
  std::string said = "devbindd does not answer at " + path + " (" + std::strerror(error) + ").";
  if (error == ENOENT || error == ECONNREFUSED)
    return said +
           " Is it running? See `systemctl status devbindd`; another socket is named by --socket or DEVBINDD_SOCKET.";
  return said;
}

void take_rights(msghdr& message, std::vector<Descriptor>& descriptors) {
  for (auto* part = CMSG_FIRSTHDR(&message); part != nullptr; part = CMSG_NXTHDR(&message, part)) {
    if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS) continue;
    const auto count = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (std::size_t at = 0; at < count; ++at) {
      int number = -1;
      std::memcpy(&number, CMSG_DATA(part) + at * sizeof number, sizeof number);
      descriptors.emplace_back(number);
    }
  }
}

}  // namespace

Result<UnixStream> UnixStream::connect(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof address.sun_path) return fail("This is no path of a socket: " + path);
  path.copy(address.sun_path, path.size());
  Descriptor socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!socket) return fail(std::string("There is no socket: ") + std::strerror(errno));
  if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
    return fail(why_no_connection(path, errno));
  return UnixStream(std::move(socket));
}

Result<void> UnixStream::send(std::string_view bytes) {
  while (!bytes.empty()) {
    const auto sent = ::send(socket_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0) return fail(std::string("The connection to devbindd broke: ") + std::strerror(errno));
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
  return {};
}

Result<bool> UnixStream::receive(std::string& bytes, std::chrono::milliseconds patience) {
  pollfd wait{.fd = socket_.get(), .events = POLLIN, .revents = 0};
  const auto ready = ::poll(&wait, 1, static_cast<int>(patience.count()));
  if (ready < 0 && errno == EINTR) return true;
  if (ready < 0) return fail(std::string("The connection to devbindd broke: ") + std::strerror(errno));
  if (ready == 0) return fail("devbindd has not answered in time. See `systemctl status devbindd`.");
  std::array<char, 65536> data;
  alignas(cmsghdr) std::array<char, CMSG_SPACE(most_descriptors * sizeof(int))> rights;
  iovec part{.iov_base = data.data(), .iov_len = data.size()};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = rights.data();
  message.msg_controllen = rights.size();
  const auto got = ::recvmsg(socket_.get(), &message, MSG_CMSG_CLOEXEC);
  if (got < 0 && errno == EINTR) return true;
  if (got < 0) return fail(std::string("The connection to devbindd broke: ") + std::strerror(errno));
  take_rights(message, descriptors_);
  bytes.append(data.data(), static_cast<std::size_t>(got));
  return got > 0;
}

}  // namespace devbindd::clients
