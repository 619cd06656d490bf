// SPDX-License-Identifier: Apache-2.0
#include "handoff/usage/usage_rules.hpp"

#include <algorithm>
#include <initializer_list>
#include <iterator>

#include "sysfs/use/console_use.hpp"
#include "sysfs/use/display_use.hpp"
#include "sysfs/use/function_nodes.hpp"
#include "sysfs/use/kernel_users.hpp"
#include "sysfs/use/shared_folders.hpp"
#include "sysfs/use/usb_use.hpp"

namespace devbindd::handoff {
namespace {

using sysfs::Result;
using sysfs::Use;
using sysfs::UseKind;
using Kinds = std::initializer_list<UseKind>;

std::vector<Use> of_kinds(const std::vector<Use>& uses, const std::vector<UseKind>& kinds) {
  std::vector<Use> found;
  std::ranges::copy_if(uses, std::back_inserter(found),
                       [&kinds](const Use& use) { return std::ranges::find(kinds, use.kind) != kinds.end(); });
  return found;
}

// Those of the network's uses that are of these kinds.
auto network(Kinds kinds) {
  return [kinds = std::vector(kinds)](FunctionFacts& function) -> Result<Look> {
    const auto uses = function.network_uses();
    if (!uses) return std::unexpected(uses.error());
    return Look{.uses = of_kinds(**uses, kinds)};
  };
}

Result<Look> namespaces(FunctionFacts& function) {
  auto look = network({UseKind::OtherNamespace})(function);
  if (!look) return look;
  auto gap = function.namespace_gap();
  if (!gap) return std::unexpected(gap.error());
  look->not_visible = std::move(*gap);
  return look;
}

Result<Look> sessions(FunctionFacts& function) {
  auto look = network({UseKind::Session, UseKind::Xdp, UseKind::TrafficControl, UseKind::PacketSocket})(function);
  if (!look) return look;
  auto gap = function.session_gap();
  if (!gap) return std::unexpected(gap.error());
  look->not_visible = std::move(*gap);
  return look;
}

// Those of the disks' uses that are of these kinds.
auto disks(Kinds kinds) {
  return [kinds = std::vector(kinds)](FunctionFacts& function) -> Result<Look> {
    return Look{.uses = of_kinds(function.block_use().uses, kinds)};
  };
}

Result<Look> disk_content(FunctionFacts& function) {
  Look look{.uses = of_kinds(function.block_use().uses, {UseKind::Signature})};
  if (std::ranges::any_of(look.uses, [](const Use& use) { return use.subject == sysfs::unknown_content; }))
    look.not_visible = "the node of a disk cannot be opened";
  return look;
}

Result<Look> block_nodes(FunctionFacts& function) { return Look{.nodes = function.block_use().nodes}; }

Result<Look> character_nodes(FunctionFacts& function) { return Look{.nodes = function.character_nodes()}; }

Result<Look> display(FunctionFacts& function) {
  return Look{.uses = sysfs::display_uses(function.tree(), function.path(), function.descendants())};
}

Result<Look> usb_devices(FunctionFacts& function) {
  return Look{.uses = sysfs::usb_uses(function.tree(), function.descendants())};
}

std::string driver_of(const FunctionFacts& function) {
  return function.device().driver ? function.device().driver->text() : std::string{};
}

Result<Look> shares(FunctionFacts& function) {
  const auto driver = driver_of(function);
  if (!sysfs::may_have_shares(function.tree(), driver, function.descendants())) return Look{};
  return Look{.uses = sysfs::share_uses(function.tree(), driver, function.descendants(), function.host().mounts())};
}

Result<Look> served_disks(FunctionFacts& function) {
  Look look{.uses = of_kinds(function.block_use().uses, {UseKind::Served})};
  if (!function.block_use().nodes.empty()) look.not_visible = function.host().mounts().served.not_visible;
  return look;
}

Result<Look> mappings(FunctionFacts& function) {
  return Look{.memories = sysfs::function_memories(function.tree(), function.device().address, function.path(),
                                                   function.descendants())};
}

Result<Look> console(FunctionFacts& function) {
  return Look{.uses = sysfs::console_uses(function.tree(), function.descendants())};
}

Result<Look> children(FunctionFacts& function) {
  return Look{.uses = sysfs::child_uses(function.tree(), function.descendants())};
}

Result<Look> kernel_users(FunctionFacts& function) {
  const auto& nodes = function.character_nodes();
  const bool may_be_served = std::ranges::find(nodes, UseKind::BlockOpen, &sysfs::OwnedNode::kind) != nodes.end();
  const auto servers = may_be_served ? function.host().mounts().served.servers : std::vector<sysfs::BlockServer>{};
  Look look{.uses = sysfs::kernel_uses(function.tree(), driver_of(function), function.descendants(), nodes, servers)};
  look.not_visible = sysfs::unseen_users(function.descendants());
  return look;
}

Result<Look> firmware(FunctionFacts& function) {
  Look look;
  look.uses = sysfs::firmware_uses(function.tree(), function.path(), &look.not_visible);
  return look;
}

}  // namespace

const std::vector<Rule>& usage_rules() {
  static const std::vector<Rule> rules = {
      {"routes",
       "Routes of every table through its interfaces and what is stacked on them, also by nexthop objects and their "
       "groups, "
       "by rtnetlink (RTM_GETROUTE, RTM_GETNEXTHOP).",
       network({UseKind::DefaultRoute, UseKind::Route, UseKind::NextHop})},
      {"addresses", "Addresses of its interfaces and of what is stacked on them, by rtnetlink (RTM_GETADDR).",
       network({UseKind::Address})},
      {"stacks",
       "What an interface is a member of or carries, by rtnetlink (IFLA_MASTER, IFLA_LINK, IFLA_VXLAN_LINK) and the "
       "upper_* "
       "links of sysfs.",
       network({UseKind::Master, UseKind::Stacked})},
      {"sessions",
       "Protocols that need no address: /proc/net/pppoe, packet, ptype, ip_mr_vif, igmp, anycast6, can, atalk, llc, "
       "bpqether and pktgen, promiscuous mode (IFLA_PROMISCUITY), network consoles, "
       "ATA over Ethernet, MACsec, XDP programs and AF_XDP sockets, link-local connections and bound sockets "
       "(sock_diag), tc, nftables.",
       sessions},
      {"namespaces",
       "Interfaces of it in other network namespaces, entered through /proc/PID/ns/net, /run/netns and the "
       "host's mounts of namespaces; of a card without an interface also through /proc/PID/fd.",
       namespaces},
      {"api_client", "Whether the caller's connection ends at an address of its interfaces.",
       network({UseKind::ApiClient})},
      {"link", "Interfaces that are up with a link, by rtnetlink (IFLA_CARRIER).", network({UseKind::Carrier})},
      {"mounts",
       "File systems and swap areas on its disks and what is stacked on them, in /proc/PID/mountinfo of every mount "
       "namespace, /proc/swaps and /sys/fs/btrfs.",
       disks({UseKind::Mounted, UseKind::Swap})},
      {"block_holders",
       "What is built on its disks by the holders links of sysfs and loop devices, and an exclusive open of each disk.",
       disks({UseKind::Holder})},
      {"served_disks",
       "What of its disks the kernel's NVMe and SCSI targets and USB gadgets serve, as configfs shows it, "
       "and the block device of pstore.",
       served_disks},
      {"shares",
       "File systems that stand on no block device (9p, virtiofs, flash), in the mount tables and by the use counts of "
       "their modules.",
       shares},
      {"disk_content", "The first bytes of disks and partitions that nothing uses.", disk_content},
      {"display", "The boot display (boot_vga), the text console's frame buffer and the firmware's (/proc/iomem).",
       display},
      {"usb_devices", "Keyboards, mice and network adapters below a USB controller, in sysfs.", usb_devices},
      {"block_nodes", "Its block devices and what is stacked on them, open or mapped in any process (/proc/PID/fd).",
       block_nodes},
      {"character_nodes",
       "Every character device below it, open or mapped in any process (/proc/PID/fd, /proc/PID/map_files).",
       character_nodes},
      {mappings_rule_name,
       "Its memory, mapped in any process by resourceN, /proc/bus/pci or /dev/mem, or a resourceN open, in "
       "/proc/PID/maps and /proc/PID/fd.",
       mappings},
      {"console", "Consoles of the kernel on its terminals (/proc/consoles).", console},
      {"children", "Mediated devices, vDPA devices and subfunctions that have been made of it, in sysfs.", children},
      {"kernel_users",
       "What the kernel does with it by itself: IOMMU, TPM, ciphers (/proc/crypto), DMA channels, gadgets, fans, "
       "watchdogs, speakup, kgdboc, USB/IP, work queues, Bluetooth; and what it may do and does not show, by drivers "
       "at "
       "its I2C and SPI buses and the name of the driver.",
       kernel_users},
      {"firmware", "Memory of it that others have, in /proc/iomem and the IOMMU group's reserved_regions.", firmware},
  };
  return rules;
}

}  // namespace devbindd::handoff
