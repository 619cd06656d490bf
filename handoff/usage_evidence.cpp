// What each kind of use means for whoever wants to take the device away: severity, and two sentences.
#include <algorithm>

#include "handoff/usage.hpp"
#include "sysfs/fields.hpp"

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
    case UseKind::Signature:
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
  return use.kind != UseKind::Mounted && use.kind != UseKind::Swap;
}

std::string network_detail(const Use& use) {
  switch (use.kind) {
    case UseKind::DefaultRoute:
      return "The default route leaves through " + last(use) +
             (use.path.size() > 1 ? way(use) + "." : ", an interface of this device.");
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
  if (use.path.empty()) {
    return "The device shows no network interface: it may be in another network namespace, and not all of them could "
           "be "
           "looked into.";
  }
  return "The interface " + last(use) + way(use) + " is in another network namespace: " + use.subject + ".";
}

std::string block_detail(const Use& use) {
  switch (use.kind) {
    case UseKind::Mounted:
      return last(use) + way(use) + " is mounted" +
             (use.subject.starts_with('/') ? " at " + use.subject : ": " + use.subject) +
             (use.processes.empty() ? "" : " in the mount namespace of " + who(use)) + ".";
    case UseKind::Swap: return last(use) + way(use) + " carries the swap area " + use.subject + ".";
    case UseKind::Holder:
      if (use.subject == last(use)) return last(use) + " is built on the disk" + way(use) + ".";
      if (use.subject == "exclusive opener")
        return last(use) + " is claimed exclusively in the kernel by something that does not show itself.";
      return last(use) + way(use) + " is " + use.subject + ".";
    case UseKind::BlockOpen: return use.subject + way(use) + " is open in " + who(use) + ".";
    default:
      if (use.subject == sysfs::unknown_content)
        return "Whether " + last(use) + " is claimed or holds data is not known: its node may not be opened.";
      return last(use) + " is not in use but holds data: " + use.subject + ".";
  }
}

std::string detail_of(const Use& use) {
  switch (use.kind) {
    case UseKind::DefaultRoute:
    case UseKind::Address:
    case UseKind::Carrier:
    case UseKind::Master:
    case UseKind::OtherNamespace:
    case UseKind::ApiClient: return network_detail(use);
    case UseKind::Mounted:
    case UseKind::Swap:
    case UseKind::Holder:
    case UseKind::BlockOpen:
    case UseKind::Signature: return block_detail(use);
    case UseKind::BootVga: return "The device is the display that the firmware booted with.";
    case UseKind::Framebuffer: return "The host's console is shown by the device: " + use.subject + ".";
    case UseKind::UsbInUse:
      if (use.processes.empty()) return "The host uses a USB device below the controller: " + use.subject + ".";
      [[fallthrough]];
    case UseKind::DisplayOpen:
    case UseKind::ComputeOpen:
    case UseKind::RdmaOpen:
    case UseKind::SoundOpen: return use.subject + " is open in " + who(use) + ".";
  }
  return {};
}

std::string_view next_step_of(const Use& use) {
  switch (use.kind) {
    case UseKind::DefaultRoute:
      return "Move the route to another interface first, or accept net.default_route if the host may lose its network.";
    case UseKind::Address:
      return "Remove the address or move it to another interface, or accept net.address if the host may lose it.";
    case UseKind::Carrier: return "Make sure that nobody expects traffic on this cable.";
    case UseKind::Master: return "Take the interface out of it first, or accept net.master if it may lose a member.";
    case UseKind::OtherNamespace:
      return "End the container or move the interface back, or accept net.other_namespace if it may lose it.";
    case UseKind::ApiClient:
      return "Ask through another interface or the Unix socket, or accept net.api_client and lose this connection.";
    case UseKind::Mounted: return "Unmount it first; this cannot be accepted as a risk.";
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
