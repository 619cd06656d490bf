#include "sysfs/use.hpp"

#include <array>
#include <utility>

namespace devbindd::sysfs {
namespace {

using Name = std::pair<UseKind, std::string_view>;

constexpr std::array<Name, 18> names = {{
    {UseKind::DefaultRoute, "net.default_route"},
    {UseKind::Address, "net.address"},
    {UseKind::Carrier, "net.carrier"},
    {UseKind::Master, "net.master"},
    {UseKind::OtherNamespace, "net.other_namespace"},
    {UseKind::ApiClient, "net.api_client"},
    {UseKind::Mounted, "block.mounted"},
    {UseKind::Swap, "block.swap"},
    {UseKind::Holder, "block.holder"},
    {UseKind::BlockOpen, "block.open"},
    {UseKind::Signature, "block.signature"},
    {UseKind::BootVga, "display.boot_vga"},
    {UseKind::Framebuffer, "display.framebuffer"},
    {UseKind::DisplayOpen, "display.open"},
    {UseKind::ComputeOpen, "compute.open"},
    {UseKind::RdmaOpen, "rdma.open"},
    {UseKind::SoundOpen, "sound.open"},
    {UseKind::UsbInUse, "usb.in_use"},
}};

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
