// SPDX-License-Identifier: Apache-2.0
// One way in which the host uses a PCI function: a mounted file system, an address, an open node. Passive.
// Not here: how it is found (network_use, block_use, function_nodes, ...), and whether it is a reason against a change
// (handoff/usage/usage.hpp).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace devbindd::sysfs {

enum class UseKind {
  DefaultRoute,    ///< a default route leaves through it
  Route,           ///< another route does that the kernel has not made by itself
  Address,         ///< it carries an address that is not link-local
  Carrier,         ///< up and with a link, but nothing else; told for information only
  Master,          ///< part of a bond, bridge, team or Open vSwitch, or below a macvtap
  OtherNamespace,  ///< an interface of it is in another network namespace
  ApiClient,       ///< the caller of the API comes in through it
  Session,         ///< a protocol that needs no address of it, or nothing above it: PPPoE, MACsec, FCoE, TIPC, ...
  Xdp,             ///< an XDP program is attached, or an AF_XDP socket bound
  Stacked,         ///< an interface stands on it that nothing is seen to use; told for information only
  NextHop,         ///< a nexthop object that no route uses; told for information only
  TrafficControl,  ///< filters of tc look at its packets; told for information only
  PacketSocket,    ///< a process has bound a socket to it; told for information only
  Mounted,
  Swap,
  Holder,        ///< claimed by md, dm or another exclusive opener that leads to nothing mounted
  BlockOpen,     ///< a process has the disk, or something stacked on it, open
  Served,        ///< the kernel serves the disk to others: NVMe and SCSI targets, USB gadgets
  Signature,     ///< unused, but it holds data; told for information only
  ShareMounted,  ///< a file system that stands on no block device: 9p, virtiofs, flash
  ShareBound,    ///< such a one may be mounted where no mount table shows it
  BootVga,
  Framebuffer,
  DisplayOpen,
  ComputeOpen,
  RdmaOpen,
  SoundOpen,
  UsbInUse,
  CharacterOpen,  ///< a process has another node of it open, or mapped
  Mapped,         ///< a process has its memory mapped without a node
  Console,        ///< messages of the kernel go there
  Child,          ///< a device that has been made of it and goes with it
  KernelUse,      ///< the kernel uses it by itself
  KernelMayUse,   ///< the kernel may use it and does not show whether; told for information only
  Firmware,       ///< the firmware has memory of it; told for information only
};

/// The stable code on the wire, for instance "net.default_route".
std::string_view name_of(UseKind kind);
/// The kind of that code; nullopt for any other text.
std::optional<UseKind> use_kind_from(std::string_view code);

struct Process {
  std::int32_t pid = 0;
  std::string command = {};  ///< /proc/PID/comm, "?" when it is gone
  std::string path = {};     ///< what it has: a node, a mount point

  bool operator==(const Process&) const = default;
};

struct Use {
  UseKind kind = UseKind::Holder;
  /// From the device's own child outward: {"nvme0n1", "nvme0n1p1", "md0", "dm-0 (vg-root)"}, {"eth0", "bond0"}. Empty
  /// where the function itself is meant.
  std::vector<std::string> path = {};
  std::string subject = {};  ///< mount point, address, swap name, file system type, node, ...
  std::vector<Process> processes = {};

  bool operator==(const Use&) const = default;
};

}  // namespace devbindd::sysfs
