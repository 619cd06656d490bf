// SPDX-License-Identifier: Apache-2.0
#include "sysfs/kernel/netlink_route.hpp"

#include <netlink/errno.h>

#include <cerrno>

namespace devbindd::sysfs::netlink {
namespace {

constexpr int most_attempts = 3;  // of a dump
constexpr std::size_t longest_message = 32768;

std::unexpected<Error> netlink_error(const std::string& what, int code) {
  return fail(ErrorCode::Kernel, what + ": " + nl_geterror(code), code == -NLE_PERM ? EPERM : 0);
}

int call_visit(nl_msg* message, void* visit) {
  const auto& function = *static_cast<Visit*>(visit);
  if (function) function(nlmsg_hdr(message));
  return NL_OK;
}

int keep_errno(sockaddr_nl* /*from*/, nlmsgerr* error, void* errno_value) {
  *static_cast<int*>(errno_value) = -error->error;
  return NL_STOP;
}

}  // namespace

Result<Socket> connect(int protocol) {
  Socket socket(nl_socket_alloc());
  if (!socket) return fail(ErrorCode::Kernel, "no memory for a netlink socket", ENOMEM);
  if (const int code = nl_connect(socket.get(), protocol); code < 0)
    return netlink_error("cannot connect to netlink", code);
  // The kernel makes no message of a dump longer than this (net/netlink/af_netlink.c, netlink_dump): with room for it
  // each comes by one call, and does not have to be looked at first. An answer that is no dump may be longer.
  if (nl_socket_set_msg_buf_size(socket.get(), longest_message) == 0) nl_socket_disable_msg_peek(socket.get());
  return socket;
}

Result<> dump(nl_sock* socket, nl_msg* request, Visit visit) {
  int errno_value = 0;
  nl_socket_modify_cb(socket, NL_CB_VALID, NL_CB_CUSTOM, &call_visit, &visit);
  nl_socket_modify_err_cb(socket, NL_CB_CUSTOM, &keep_errno, &errno_value);
  int code = 0;
  for (int attempt = 0; attempt < most_attempts; ++attempt) {
    nlmsg_hdr(request)->nlmsg_seq = NL_AUTO_SEQ;
    code = nl_send_auto(socket, request);
    if (code >= 0) code = nl_recvmsgs_default(socket);
    if (code != -NLE_DUMP_INTR) break;
  }
  nl_socket_modify_err_cb(socket, NL_CB_DEFAULT, nullptr, nullptr);
  if (errno_value != 0)
    return fail(ErrorCode::Kernel, "cannot list by netlink: " + errno_name(errno_value), errno_value, "netlink");
  if (code < 0 && code != -NLE_DUMP_INTR) return netlink_error("cannot list by netlink", code);
  return {};
}

Result<> dump(nl_sock* socket, int type, const void* header, std::size_t header_size, Visit visit) {
  const Message request(nlmsg_alloc_simple(type, NLM_F_REQUEST | NLM_F_DUMP));
  if (!request || nlmsg_append(request.get(), const_cast<void*>(header), header_size, NLMSG_ALIGNTO) < 0)
    return fail(ErrorCode::Kernel, "no memory for a netlink message", ENOMEM);
  return dump(socket, request.get(), std::move(visit));
}

Result<> ask(nl_sock* socket, nl_msg* request, std::string_view what, Visit visit) {
  int errno_value = 0;
  nl_socket_modify_cb(socket, NL_CB_VALID, NL_CB_CUSTOM, &call_visit, &visit);
  nl_socket_modify_err_cb(socket, NL_CB_CUSTOM, &keep_errno, &errno_value);
  int code = nl_send_auto(socket, request);
  // An answer with content comes before its acknowledgement.
  bool acknowledged = false;
  const auto on_ack = [](nl_msg* /*message*/, void* seen) -> int {
    *static_cast<bool*>(seen) = true;
    return NL_STOP;
  };
  nl_socket_modify_cb(socket, NL_CB_ACK, NL_CB_CUSTOM, on_ack, &acknowledged);
  while (code >= 0 && !acknowledged) code = nl_recvmsgs_default(socket);
  nl_socket_modify_cb(socket, NL_CB_ACK, NL_CB_DEFAULT, nullptr, nullptr);
  nl_socket_modify_err_cb(socket, NL_CB_DEFAULT, nullptr, nullptr);
  if (errno_value != 0) {
    return fail(ErrorCode::Kernel, "cannot " + std::string(what) + ": " + errno_name(errno_value), errno_value,
                "rtnetlink");
  }
  if (code < 0) return netlink_error("cannot " + std::string(what), code);
  return {};
}

}  // namespace devbindd::sysfs::netlink
