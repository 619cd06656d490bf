// SPDX-License-Identifier: Apache-2.0
// Whether the other end of a connection is still there. Asks the kernel, reads nothing.
#pragma once

namespace devbindd::api {

/// Whether the peer of a connected socket has left. A Unix socket tells a peer that is gone from one that has only said
/// all that it has to say; TCP does not, and there who has sent the end of the stream counts as gone.
/// Source: unix_poll() in net/unix/af_unix.c, tcp_poll() in net/ipv4/tcp.c; unix(7), tcp(7).
bool peer_has_left(int socket, bool tcp);

}  // namespace devbindd::api
