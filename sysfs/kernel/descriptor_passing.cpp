// SPDX-License-Identifier: Apache-2.0
#include "sysfs/kernel/descriptor_passing.hpp"

#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstring>

namespace devbindd::sysfs {
namespace {

// Room for one control message with as many descriptors as there can be.
struct ControlBuffer {
  alignas(cmsghdr) std::array<char, CMSG_SPACE(max_passed_descriptors * sizeof(int))> bytes{};
};

std::unexpected<Error> failed(std::string_view call, int errno_value) {
  return fail(ErrorCode::Kernel, std::string(call) + ": " + errno_text(errno_value), errno_value);
}

std::vector<FileDescriptor> take_descriptors(msghdr& message) {
  std::vector<FileDescriptor> taken;
  for (auto* part = CMSG_FIRSTHDR(&message); part != nullptr; part = CMSG_NXTHDR(&message, part)) {
    if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS) continue;
    const auto count = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (std::size_t at = 0; at < count; ++at) {
      int descriptor = -1;
      std::memcpy(&descriptor, CMSG_DATA(part) + at * sizeof(int), sizeof descriptor);
      taken.emplace_back(descriptor);
    }
  }
  return taken;
}

}  // namespace

Result<std::size_t> send_with_descriptors(int socket, std::string_view bytes,
                                          std::span<const FileDescriptor> descriptors) {
  if (descriptors.size() > max_passed_descriptors) return failed("sendmsg", EINVAL);
  ControlBuffer control;
  iovec part{.iov_base = const_cast<char*>(bytes.data()), .iov_len = bytes.size()};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  if (!descriptors.empty()) {
    message.msg_control = control.bytes.data();
    message.msg_controllen = CMSG_SPACE(descriptors.size() * sizeof(int));
    auto* rights = CMSG_FIRSTHDR(&message);
    rights->cmsg_level = SOL_SOCKET;
    rights->cmsg_type = SCM_RIGHTS;
    rights->cmsg_len = CMSG_LEN(descriptors.size() * sizeof(int));
    for (std::size_t at = 0; at < descriptors.size(); ++at) {
      const int descriptor = descriptors[at].get();
      std::memcpy(CMSG_DATA(rights) + at * sizeof(int), &descriptor, sizeof descriptor);
    }
  }
  while (true) {
    const auto sent = ::sendmsg(socket, &message, MSG_NOSIGNAL);
    if (sent >= 0) return static_cast<std::size_t>(sent);
    if (errno != EINTR) return failed("sendmsg", errno);
  }
}

Result<ReceivedBytes> receive_with_descriptors(int socket, std::span<char> into) {
  ControlBuffer control;
  iovec part{.iov_base = into.data(), .iov_len = into.size()};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control.bytes.data();
  message.msg_controllen = control.bytes.size();
  while (true) {
    const auto got = ::recvmsg(socket, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return failed("recvmsg", errno);
    auto descriptors = take_descriptors(message);
    // The kernel drops those that it cannot install, and the rest would be taken for others.
    if ((message.msg_flags & MSG_CTRUNC) != 0) return failed("recvmsg", EMFILE);
    return ReceivedBytes{static_cast<std::size_t>(got), std::move(descriptors)};
  }
}

}  // namespace devbindd::sysfs
