// SPDX-License-Identifier: Apache-2.0
// That something about this network namespace's links, addresses, routes or nexthops has changed: the kernel says so
// before the call that changed it returns. Not here: how they are now (sysfs/use/network_dump.hpp).
#pragma once

#include <cstdint>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "sysfs/kernel/file_descriptor.hpp"
#include "sysfs/kernel/result.hpp"

namespace devbindd::sysfs {

/// What one drain of the socket brought.
struct NetworkNews {
  bool changed = false;                ///< anything: links, addresses, routes, nexthops
  std::set<unsigned> interfaces = {};  ///< the indexes of those that it is about
  bool lost = false;                   ///< some news were dropped (ENOBUFS): it may be about any interface
};

/// Adds what the messages of one datagram name. Bytes that are no whole message end it. Source:
/// include/uapi/linux/rtnetlink.h.
void add_network_news(std::span<const char> datagram, NetworkNews& news);

/// The names that these interfaces have now, in this network namespace; those that are gone have none. Source:
/// netdevice(7), SIOCGIFNAME.
std::vector<std::string> names_of(const std::set<unsigned>& interfaces);

class NetworkWatch {
 public:
  /// Subscribes to links, addresses, routes of both families, and nexthops. Needs no privilege. Error: Kernel.
  static Result<NetworkWatch> open();

  /// Takes everything that is waiting, without blocking. Only messages of the kernel itself (nl_pid 0) count.
  NetworkNews drain();
  int descriptor() const { return socket_.get(); }

 private:
  explicit NetworkWatch(FileDescriptor socket) : socket_(std::move(socket)) {}
  FileDescriptor socket_;
};

}  // namespace devbindd::sysfs
