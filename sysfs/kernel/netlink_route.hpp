// SPDX-License-Identifier: Apache-2.0
// Talking rtnetlink: a socket, dumps, single requests with their errno. Blocks as long as the kernel does.
// Not here: what is asked for (network_dump.hpp, vf_netlink.hpp).
#pragma once

#include <linux/rtnetlink.h>
#include <netlink/attr.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <netlink/socket.h>

#include <functional>
#include <memory>

#include "sysfs/kernel/result.hpp"

namespace devbindd::sysfs::netlink {

struct FreeSocket {
  void operator()(nl_sock* socket) const { nl_socket_free(socket); }
};
struct FreeMessage {
  void operator()(nl_msg* message) const { nlmsg_free(message); }
};
using Socket = std::unique_ptr<nl_sock, FreeSocket>;
using Message = std::unique_ptr<nl_msg, FreeMessage>;
using Visit = std::function<void(nlmsghdr*)>;

/// A socket of the network namespace that the calling thread is in, for rtnetlink or another protocol (NETLINK_*).
/// Errors: Kernel.
Result<Socket> connect(int protocol = NETLINK_ROUTE);

/// Calls `visit` for each message of the answer. One that something changed under is asked for again: the same may
/// then come twice. Errors: Kernel, with the errno that the kernel answered.
Result<> dump(nl_sock* socket, int type, const void* header, std::size_t header_size, Visit visit);
/// The same for a whole request.
Result<> dump(nl_sock* socket, nl_msg* request, Visit visit);

/// Sends one request, which is acknowledged, and calls `visit` for each message of the answer. `what` completes "cannot
/// ...". Errors: Kernel, with the errno that the kernel answered. Source: include/uapi/linux/netlink.h, nlmsgerr.
Result<> ask(nl_sock* socket, nl_msg* request, std::string_view what, Visit visit = {});

}  // namespace devbindd::sysfs::netlink
