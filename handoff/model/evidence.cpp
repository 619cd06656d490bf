// SPDX-License-Identifier: Apache-2.0
#include "handoff/model/evidence.hpp"

#include <algorithm>

namespace devbindd::handoff {

const std::vector<std::string_view>& evidence_codes() {
  static const std::vector<std::string_view> codes = {
      "net.default_route",   "net.route",          "net.address",
      "net.carrier",         "net.master",         "net.other_namespace",
      "net.api_client",      "net.session",        "net.xdp",
      "net.stacked",         "net.next_hop",       "net.traffic_control",
      "net.packet_socket",   "block.mounted",      "block.swap",
      "block.holder",        "block.open",         "block.served",
      "fs.mounted",          "fs.share",           "char.open",
      "device.mapped",       "console.active",     "device.children",
      "kernel.in_use",       "kernel.may_use",     "firmware.memory",
      "block.signature",     "display.boot_vga",   "display.framebuffer",
      "display.open",        "compute.open",       "rdma.open",
      "sound.open",          "usb.in_use",         "usage.unknown",
      "vfio.open",           "sriov.vfs_enabled",  "sriov.vf_in_use",
      "sriov.absent",        "sriov.too_many",     "sriov.no_driver",
      "sriov.settings_lost", "sriov.vf_token",     "group.sibling_in_use",
      "group.not_viable",    "device.bridge",      "device.cordoned",
      "device.no_reset",     "device.denylisted",  "device.stuck",
      "iommu.absent",        "driver.absent",      "driver.blacklisted",
      "driver.no_match",     "driver.id_captures", "claim.held",
      "tool.driverctl",      "tool.libvirt",       "host.sysfs_read_only",
      "device.system",       "claim.not_enough",   "iommu.group_later",
  };
  return codes;
}

std::vector<Evidence> blocking(const std::vector<Evidence>& evidence, const std::vector<std::string>& accepted) {
  std::vector<Evidence> remaining;
  for (const auto& item : evidence) {
    if (item.severity != Severity::Block) continue;
    const bool taken = item.acceptable && std::ranges::find(accepted, item.code) != accepted.end();
    if (!taken) remaining.push_back(item);
  }
  return remaining;
}

}  // namespace devbindd::handoff
