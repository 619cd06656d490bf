// SPDX-License-Identifier: Apache-2.0
// What the kernel and udevd tell of changes on this host: uevents, and nodes that udevd has processed. Not here: what
// follows from them (service.cpp).
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <functional>
#include <optional>

#include "sysfs/kernel/udev_socket.hpp"
#include "sysfs/kernel/uevent.hpp"

namespace devbindd::daemon {

class KernelWatch {
 public:
  struct Hooks {
    std::function<void()> on_readable;                         ///< uevents wait: somebody is to drain()
    std::function<void(const sysfs::UeventBatch&)> on_events;  ///< posted for whatever drain() gives that is not empty
    /// Nodes of VFIO may have another owner and mode than a claim had granted; once for a burst of events.
    std::function<void()> on_nodes;
  };

  KernelWatch(boost::asio::io_context& io, Hooks hooks) : io_(io), hooks_(std::move(hooks)) {}

  /// Opens the sockets; what cannot be opened is a line in the log, and goes without.
  void open();
  /// Watches them from now on.
  void start();
  /// All events since the last time. Without the socket (a container in a user namespace) nothing tells of changes:
  /// they count as lost, and everything is read for each answer.
  sysfs::UeventBatch drain();

 private:
  void watch_uevents();
  void watch_udev();
  void tell_of_nodes();

  boost::asio::io_context& io_;
  Hooks hooks_;
  std::optional<sysfs::UeventSocket> uevents_;
  std::optional<boost::asio::posix::stream_descriptor> uevent_descriptor_;
  std::optional<sysfs::UdevSocket> udev_;
  std::optional<boost::asio::posix::stream_descriptor> udev_descriptor_;
  bool nodes_to_tell_ = false;
};

}  // namespace devbindd::daemon
