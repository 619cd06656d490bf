// SPDX-License-Identifier: Apache-2.0
#include "api/http/peer_presence.hpp"

#include <poll.h>

namespace devbindd::api {

bool peer_has_left(int socket, bool tcp) {
  const auto end = static_cast<short>(tcp ? POLLRDHUP : 0);
  pollfd peer{.fd = socket, .events = end, .revents = 0};
  return ::poll(&peer, 1, 0) > 0 && (peer.revents & (POLLHUP | POLLERR | POLLNVAL | end)) != 0;
}

}  // namespace devbindd::api
