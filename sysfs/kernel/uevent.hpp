// SPDX-License-Identifier: Apache-2.0
// Kernel uevents: the netlink socket that announces them, and the parser of their bytes; and everything together that
// the kernel tells of changes. Not here: what is done about them (sysfs/device/inventory.hpp).
#pragma once

#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "sysfs/kernel/file_descriptor.hpp"
#include "sysfs/kernel/network_watch.hpp"
#include "sysfs/kernel/pci_address.hpp"

namespace devbindd::sysfs {

struct Uevent {
  std::string action;     ///< "add", "bind", "unbind", "remove", "change", "move", ...
  std::string devpath;    ///< "/devices/pci0000:00/0000:00:02.0"
  std::string subsystem;  ///< "pci", "vfio", "net", ...
  std::map<std::string, std::string> keys;
};

/// Parses `action@devpath\0KEY=VALUE\0...`. nullopt for anything else (udev's own messages begin with "libudev").
/// Source: lib/kobject_uevent.c.
std::optional<Uevent> parse_uevent(std::string_view message);

/// Every PCI address that stands as a component of the device path, upstream bridge first.
std::vector<PciAddress> addresses_in(std::string_view devpath);

/// A file of a device that a process has written to.
struct WrittenAttribute {
  PciAddress device;
  std::string name = {};  ///< "driver_override"

  bool operator==(const WrittenAttribute&) const = default;
};

/// What one drain of the kernel's sockets brought: uevents, and what has no uevent.
struct UeventBatch {
  std::vector<Uevent> events;
  bool lost = false;                           ///< the kernel dropped some (ENOBUFS): everything must be read again
  NetworkNews network = {};                    ///< links, addresses, routes
  bool nodes = false;                          ///< a node of VFIO has come or gone, or has another owner or mode
  std::vector<WrittenAttribute> written = {};  ///< by whoever it was
};

class UeventSocket {
 public:
  /// Subscribes to the kernel's group (1). Needs no privilege. Error: Kernel.
  static Result<UeventSocket> open();

  /// Takes everything that is waiting, without blocking. Only messages of the kernel itself (nl_pid 0) count.
  UeventBatch drain();
  int descriptor() const { return socket_.get(); }

 private:
  explicit UeventSocket(FileDescriptor socket) : socket_(std::move(socket)) {}
  FileDescriptor socket_;
};

}  // namespace devbindd::sysfs
