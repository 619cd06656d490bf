// SPDX-License-Identifier: Apache-2.0
// What each kind of use means for whoever wants to take the device away: severity, and two sentences.
#include <algorithm>

#include "handoff/usage/usage.hpp"
#include "sysfs/kernel/fields.hpp"
#include "sysfs/use/network_use.hpp"

namespace devbindd::handoff {
namespace {

using sysfs::joined;
using sysfs::Use;
using sysfs::UseKind;

// " (by eth0 -> bond0)" where the way is longer than one step.
std::string way(const Use& use) { return use.path.size() > 1 ? " (by " + joined(use.path, " -> ") + ")" : ""; }

std::string last(const Use& use) { return use.path.empty() ? "the device" : use.path.back(); }

std::string who(const Use& use) {
  std::vector<std::string> names;
  for (const auto& process : use.processes)
    names.push_back(process.command + " (pid " + std::to_string(process.pid) + ")");
  return joined(names, ", ");
}

bool contains(const std::vector<Use>& uses, UseKind kind) {
  return std::ranges::find(uses, kind, &Use::kind) != uses.end();
}

Severity severity_of(UseKind kind, const std::vector<Use>& all) {
  switch (kind) {
    case UseKind::Carrier:
    case UseKind::Stacked:
    case UseKind::NextHop:
    case UseKind::TrafficControl:
    case UseKind::PacketSocket:
    case UseKind::Signature:
    case UseKind::KernelMayUse:
    case UseKind::Firmware:
    case UseKind::SoundOpen: return Severity::Warn;
    case UseKind::BootVga: {
      const bool shown = contains(all, UseKind::Framebuffer) || contains(all, UseKind::DisplayOpen);
      return shown ? Severity::Block : Severity::Warn;
    }
    default: return Severity::Block;
  }
}

// A claim that nothing explains may well be a file system: one that was unmounted lazily, or is ZFS.
bool is_acceptable(const Use& use) {
  if (use.kind == UseKind::Holder && use.subject == "exclusive opener") return false;
  return use.kind != UseKind::Mounted && use.kind != UseKind::Swap && use.kind != UseKind::ShareMounted &&
         use.kind != UseKind::Served;
}

std::string network_detail(const Use& use) {
  switch (use.kind) {
    case UseKind::DefaultRoute:
      return "The default route leaves through " + last(use) +
             (use.path.size() > 1 ? way(use) + "." : ", an interface of this device.");
    case UseKind::Route:
      return "Routes that somebody has set leave through " + last(use) + way(use) + ": " + use.subject + ".";
    case UseKind::Address: return "The interface " + last(use) + way(use) + " has the address " + use.subject + ".";
    case UseKind::Carrier:
      return "The interface " + last(use) + " is up and has a link, though nothing is seen to use it.";
    case UseKind::Master:
      return "An interface of the device is part of " + use.subject + " (" + joined(use.path, " -> ") + ").";
    case UseKind::ApiClient:
      return "This request came in through the device: " + use.subject + " is the address of " + last(use) + way(use) +
             ".";
    default: break;
  }
  if (use.path.empty() && use.subject == sysfs::hidden_interface) {
    return "The device has a network interface in a network namespace that was not found: a socket may keep it, or a "
           "mount outside the host's mount namespace.";
  }
  if (use.path.empty()) {
    return "The device shows no network interface: it may be in another network namespace, and not all of them could "
           "be "
           "looked into.";
  }
  return "The interface " + last(use) + way(use) + " is in another network namespace: " + use.subject + ".";
}

// " by pppd (pid 7)", or that nobody is seen to have it.
std::string by_whom(const Use& use) {
  return use.processes.empty() ? " by a process that devbindd may not see" : " by " + who(use);
}

std::string session_detail(const Use& use) {
  const bool socket = use.subject.starts_with("socket:");
  switch (use.kind) {
    case UseKind::Session: return "On the interface " + last(use) + way(use) + " runs: " + use.subject + ".";
    case UseKind::Xdp:
      if (socket) return "An AF_XDP socket is bound to " + last(use) + way(use) + by_whom(use) + ".";
      return "An XDP program is attached to " + last(use) + way(use) + ".";
    case UseKind::Stacked:
      return "The interface " + last(use) + way(use) +
             " stands on the device and goes with it, though nothing is seen to use it.";
    case UseKind::NextHop:
      return "The nexthop object " + use.subject + " leads through " + last(use) + way(use) +
             ", though no route uses it.";
    case UseKind::TrafficControl: return "tc or nftables looks at what comes in at " + last(use) + way(use) + ".";
    default:
      if (use.subject.starts_with(sysfs::multicast_group))
        return "Somebody receives the " + use.subject + " at " + last(use) + way(use) + ".";
      if (use.subject == sysfs::unplaced_xdp_socket)
        return "AF_XDP sockets are open" + by_whom(use) +
               ", and this kernel does not tell on which interfaces: " + last(use) + " may be one of them.";
      if (!socket) return "The host receives at " + last(use) + way(use) + ": " + use.subject + ".";
      return "A socket is bound to " + last(use) + way(use) + by_whom(use) + ".";
  }
}

std::string block_detail(const Use& use) {
  switch (use.kind) {
    case UseKind::Mounted:
    case UseKind::ShareMounted:
      return last(use) + way(use) + " is mounted" +
             (use.subject.starts_with('/') ? " at " + use.subject : ": " + use.subject) +
             (use.processes.empty() ? "" : " in the mount namespace of " + who(use)) + ".";
    case UseKind::ShareBound:
      return "The share " + use.subject + " of " + last(use) +
             " may be mounted where no mount table shows it, below an overlay or after a lazy unmount.";
    case UseKind::Served: return "The kernel has " + last(use) + way(use) + " in use: " + use.subject + ".";
    case UseKind::Swap: return last(use) + way(use) + " carries the swap area " + use.subject + ".";
    case UseKind::Holder:
      if (use.subject == last(use)) return last(use) + " is built on the disk" + way(use) + ".";
      if (use.subject == "exclusive opener")
        return last(use) + " is claimed exclusively in the kernel by something that does not show itself.";
      return last(use) + way(use) + " is " + use.subject + ".";
    case UseKind::BlockOpen: return use.subject + way(use) + " is open in " + who(use) + ".";
    default:
      if (use.subject == sysfs::unknown_content)
        return "Whether " + last(use) + " is claimed or holds data is not known: its node cannot be opened.";
      return last(use) + " is not in use but holds data: " + use.subject + ".";
  }
}

std::string kernel_detail(const Use& use) {
  const auto of = use.path.empty() ? std::string("the device") : "its child " + last(use) + way(use);
  switch (use.kind) {
    case UseKind::Console: return "The console " + use.subject + " of the kernel is on " + last(use) + way(use) + ".";
    case UseKind::Child: return "The device has been divided: " + use.subject + " goes with it.";
    case UseKind::KernelUse: return "The kernel uses " + of + ": " + use.subject + ".";
    case UseKind::KernelMayUse:
      return "The kernel may use " + of + " and does not show whether it does: " + use.subject + ".";
    default: return "Not only its driver has memory of the device: " + use.subject + ".";
  }
}

std::string detail_of(const Use& use) {
  switch (use.kind) {
    case UseKind::DefaultRoute:
    case UseKind::Route:
    case UseKind::Address:
    case UseKind::Carrier:
    case UseKind::Master:
    case UseKind::OtherNamespace:
    case UseKind::ApiClient: return network_detail(use);
    case UseKind::Session:
    case UseKind::Xdp:
    case UseKind::Stacked:
    case UseKind::NextHop:
    case UseKind::TrafficControl:
    case UseKind::PacketSocket: return session_detail(use);
    case UseKind::Mounted:
    case UseKind::Swap:
    case UseKind::Holder:
    case UseKind::BlockOpen:
    case UseKind::Served:
    case UseKind::ShareMounted:
    case UseKind::ShareBound:
    case UseKind::Signature: return block_detail(use);
    case UseKind::BootVga: return "The device is the display that the firmware booted with.";
    case UseKind::Framebuffer: return "The host's console is shown by the device: " + use.subject + ".";
    case UseKind::UsbInUse:
      if (use.processes.empty()) return "The host uses a USB device below the controller: " + use.subject + ".";
      [[fallthrough]];
    case UseKind::DisplayOpen:
    case UseKind::ComputeOpen:
    case UseKind::RdmaOpen:
    case UseKind::CharacterOpen:
    case UseKind::SoundOpen: return use.subject + " is open in " + who(use) + ".";
    case UseKind::Mapped: return "Memory of " + use.subject + " is mapped, or can be, by " + who(use) + ".";
    case UseKind::Console:
    case UseKind::Child:
    case UseKind::KernelUse:
    case UseKind::KernelMayUse:
    case UseKind::Firmware: return kernel_detail(use);
  }
  return {};
}

std::string_view next_step_of(const Use& use) {
  switch (use.kind) {
    case UseKind::DefaultRoute:
      return "Move the route to another interface first, or accept net.default_route if the host may lose its network.";
    case UseKind::Route:
      return "Take the routes away or lead them elsewhere first, or accept net.route if the host may lose them.";
    case UseKind::Session: return "End it first, or accept net.session if it may break.";
    case UseKind::Xdp: return "Detach the program or end the process, or accept net.xdp if it may break.";
    case UseKind::Stacked: return "Make sure that nobody needs the interface above it: the kernel may remove it.";
    case UseKind::NextHop: return "Make sure that nobody is about to set routes by it.";
    case UseKind::TrafficControl: return "Make sure that nobody needs what tc or nftables does with the packets.";
    case UseKind::PacketSocket: return "Make sure that the process can do without this interface.";
    case UseKind::Address:
      return "Remove the address or move it to another interface, or accept net.address if the host may lose it.";
    case UseKind::Carrier: return "Make sure that nobody expects traffic on this cable.";
    case UseKind::Master: return "Take the interface out of it first, or accept net.master if it may lose a member.";
    case UseKind::OtherNamespace:
      return "End the container or move the interface back, or accept net.other_namespace if it may lose it.";
    case UseKind::ApiClient:
      return "Ask through another interface or the Unix socket, or accept net.api_client and lose this connection.";
    case UseKind::Mounted:
    case UseKind::ShareMounted: return "Unmount it first; this cannot be accepted as a risk.";
    case UseKind::ShareBound:
      return "Unbind the device below the function from the driver of the share, or accept fs.share: if it is mounted, "
             "the change waits for the unmount, and processes with files there hang.";
    case UseKind::Served: return "End that first, where it was configured; this cannot be accepted as a risk.";
    case UseKind::Swap: return "Turn it off with swapoff first; this cannot be accepted as a risk.";
    case UseKind::Holder:
      if (!is_acceptable(use))
        return "Find what has claimed it (a lazily unmounted file system, ZFS, an exclusive opener) and end that; this "
               "cannot be accepted as a risk.";
      return "Take the disk out of what holds it, or accept block.holder if that may break.";
    case UseKind::BlockOpen: return "End the process, or accept block.open if it may lose the disk.";
    case UseKind::Signature: return "Make sure that nobody needs the data: whoever gets the device can overwrite it.";
    case UseKind::BootVga: return "Make sure that the host can do without this display.";
    case UseKind::Framebuffer:
      return "Keep the console off it (video=efifb:off, another boot display), or accept display.framebuffer.";
    case UseKind::DisplayOpen: return "End the graphical session or the process, or accept display.open.";
    case UseKind::ComputeOpen: return "End the process, or accept compute.open if it may lose the device.";
    case UseKind::RdmaOpen: return "End the process, or accept rdma.open if it may lose the device.";
    case UseKind::SoundOpen: return "The sound server lets go of a card that vanishes; other programs may not.";
    case UseKind::UsbInUse:
      return "Plug it in at another controller or end the process, or accept usb.in_use if the host may lose it.";
    case UseKind::CharacterOpen: return "End the process, or accept char.open if it may lose the device.";
    case UseKind::Mapped:
      return "End the process, or accept device.mapped: it goes on using memory that will be somebody else's.";
    case UseKind::Console: return "Give the kernel another console (console=), or accept console.active.";
    case UseKind::Child: return "Remove what was made of it first, or accept device.children to lose it.";
    case UseKind::KernelUse: return "End that use, or accept kernel.in_use if the host may lose the device.";
    case UseKind::KernelMayUse: return "Make sure that the host does without it.";
    case UseKind::Firmware: return "Make sure that the firmware does without it.";
  }
  return {};
}

}  // namespace

std::vector<Evidence> evidence_of(const std::vector<Use>& uses, const sysfs::PciAddress& address) {
  std::vector<Evidence> evidence;
  for (const auto& use : uses) {
    Evidence item{.code = std::string(sysfs::name_of(use.kind)),
                  .severity = severity_of(use.kind, uses),
                  .acceptable = is_acceptable(use),
                  .device = address,
                  .detail = detail_of(use),
                  .next_step = std::string(next_step_of(use)),
                  .path = use.path};
    for (const auto& process : use.processes) item.processes.push_back({process.pid, process.command, process.path});
    evidence.push_back(std::move(item));
  }
  return evidence;
}

}  // namespace devbindd::handoff
