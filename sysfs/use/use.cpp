// SPDX-License-Identifier: Apache-2.0
#include "sysfs/use/use.hpp"

#include <array>
#include <utility>

namespace devbindd::sysfs {
namespace {

using Name = std::pair<UseKind, std::string_view>;

constexpr auto names = std::to_array<Name>({
    {UseKind::DefaultRoute, "net.default_route"},
    {UseKind::Route, "net.route"},
    {UseKind::Address, "net.address"},
    {UseKind::Carrier, "net.carrier"},
    {UseKind::Master, "net.master"},
    {UseKind::OtherNamespace, "net.other_namespace"},
    {UseKind::ApiClient, "net.api_client"},
    {UseKind::Session, "net.session"},
    {UseKind::Xdp, "net.xdp"},
    {UseKind::Stacked, "net.stacked"},
    {UseKind::NextHop, "net.next_hop"},
    {UseKind::TrafficControl, "net.traffic_control"},
    {UseKind::PacketSocket, "net.packet_socket"},
    {UseKind::Mounted, "block.mounted"},
    {UseKind::Swap, "block.swap"},
    {UseKind::Holder, "block.holder"},
    {UseKind::BlockOpen, "block.open"},
    {UseKind::Served, "block.served"},
    {UseKind::Signature, "block.signature"},
    {UseKind::ShareMounted, "fs.mounted"},
    {UseKind::ShareBound, "fs.share"},
    {UseKind::BootVga, "display.boot_vga"},
    {UseKind::Framebuffer, "display.framebuffer"},
    {UseKind::DisplayOpen, "display.open"},
    {UseKind::ComputeOpen, "compute.open"},
    {UseKind::RdmaOpen, "rdma.open"},
    {UseKind::SoundOpen, "sound.open"},
    {UseKind::UsbInUse, "usb.in_use"},
    {UseKind::CharacterOpen, "char.open"},
    {UseKind::Mapped, "device.mapped"},
    {UseKind::Console, "console.active"},
    {UseKind::Child, "device.children"},
    {UseKind::KernelUse, "kernel.in_use"},
    {UseKind::KernelMayUse, "kernel.may_use"},
    {UseKind::Firmware, "firmware.memory"},
});

}  // namespace

std::string_view name_of(UseKind kind) {
  for (const auto& [known, name] : names) {
    if (known == kind) return name;
  }
  return "";
}

std::optional<UseKind> use_kind_from(std::string_view code) {
  for (const auto& [known, name] : names) {
    if (name == code) return known;
  }
  return std::nullopt;
}

}  // namespace devbindd::sysfs
