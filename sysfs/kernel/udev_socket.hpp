// SPDX-License-Identifier: Apache-2.0
// What udevd announces when it has processed an event: the owner and mode of a node are final then.
// Not here: the kernel's own uevents (uevent.hpp), and what udev knows of a device; only that something happened.
#pragma once

#include <string_view>

#include "sysfs/kernel/file_descriptor.hpp"
#include "sysfs/kernel/result.hpp"

namespace devbindd::sysfs {

/// Whether a message of udevd is about a device of this subsystem, or of one that begins so ("vfio" and "vfio-dev").
bool is_about_subsystem(std::string_view message, std::string_view subsystem);

class UdevSocket {
 public:
  /// Subscribes to udevd's group (2). Needs no privilege; without udevd nothing ever comes. Error: Kernel.
  /// Source: systemd, src/libsystemd/sd-device/device-monitor.c, MONITOR_GROUP_UDEV.
  static Result<UdevSocket> open();

  /// Takes everything that is waiting, without blocking; whether any of it was about the subsystem, or was lost.
  bool drain(std::string_view subsystem);
  int descriptor() const { return socket_.get(); }

 private:
  explicit UdevSocket(FileDescriptor socket) : socket_(std::move(socket)) {}
  FileDescriptor socket_;
};

}  // namespace devbindd::sysfs
