// SPDX-License-Identifier: Apache-2.0
// What the kernel and udevd tell of changes on this host: uevents, news of the network, files that somebody has written
// to, nodes that udevd has processed. Not here: what follows from them (service.cpp).
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "sysfs/kernel/file_watch.hpp"
#include "sysfs/kernel/network_watch.hpp"
#include "sysfs/kernel/udev_socket.hpp"
#include "sysfs/kernel/uevent.hpp"
#include "sysfs/use/mount_watch.hpp"

namespace devbindd::daemon {

class KernelWatch {
 public:
  struct Hooks {
    std::function<void()> on_readable;                         ///< something waits: somebody is to drain()
    std::function<void(const sysfs::UeventBatch&)> on_events;  ///< posted for whatever drain() gives that is not empty
    /// Nodes of VFIO may have another owner and mode than a claim had granted; once for a burst of events.
    std::function<void()> on_nodes;
    /// These block devices carry other mounts or swap areas than before; at most once a second.
    std::function<void(const std::set<sysfs::DeviceNumber>&)> on_mounts;
  };

  KernelWatch(boost::asio::io_context& io, const sysfs::Tree& tree, Hooks hooks)
      : io_(io), tree_(tree), hooks_(std::move(hooks)) {}

  /// Opens the sockets; what cannot be opened is a line in the log, and goes without.
  void open();
  /// Watches them from now on.
  void start();
  /// All news since the last time. Without the socket (a container in a user namespace) nothing tells of changes: they
  /// count as lost, and everything is read for each answer.
  sysfs::UeventBatch drain();
  /// Begins to watch the files of a device for writes, or ends it; false where they cannot be watched.
  bool watch_device(const sysfs::PciAddress& address, bool begin);

  /// How often the kernel could not tell all that had happened, since the start, by what it tells of.
  struct Losses {
    std::uint64_t uevents = 0;
    std::uint64_t network = 0;
    std::uint64_t files = 0;
  };
  const Losses& losses() const { return losses_; }

 private:
  using Descriptor = boost::asio::posix::stream_descriptor;

  void watch(std::optional<Descriptor>& descriptor);
  void watch_udev();
  void watch_mounts(std::optional<Descriptor>& descriptor);
  void look_at_mounts();
  void watch_node_directories();
  void take_files(sysfs::UeventBatch& batch);
  void take_file(const sysfs::FileNews& news, sysfs::UeventBatch& batch);
  void tell_of_nodes();

  boost::asio::io_context& io_;
  const sysfs::Tree& tree_;
  Hooks hooks_;
  std::optional<sysfs::UeventSocket> uevents_;
  std::optional<Descriptor> uevent_descriptor_;
  std::optional<sysfs::NetworkWatch> network_;
  std::optional<Descriptor> network_descriptor_;
  std::optional<sysfs::FileWatch> files_;
  std::optional<Descriptor> file_descriptor_;
  std::optional<sysfs::UdevSocket> udev_;
  std::optional<Descriptor> udev_descriptor_;
  std::optional<sysfs::MountWatch> mounts_;
  std::optional<Descriptor> mounts_descriptor_;
  std::optional<Descriptor> swaps_descriptor_;
  bool mounts_to_tell_ = false;
  Losses losses_;
  bool nodes_to_tell_ = false;
  bool told_of_limit_ = false;  ///< of the watches that this user may have
};

}  // namespace devbindd::daemon
