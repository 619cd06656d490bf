// SPDX-License-Identifier: Apache-2.0
#include <cerrno>
#include <utility>

#include "handoff/worker/performers.hpp"
#include "sysfs/device/device.hpp"
#include "sysfs/kernel/paths.hpp"

namespace devbindd::handoff {
namespace {

std::vector<std::byte> bytes_of(const std::string& text) {
  const auto* bytes = reinterpret_cast<const std::byte*>(text.data());
  return {bytes, bytes + text.size()};
}

}  // namespace

ResultOf<ReadOverrides> perform(const Kernel& kernel, const ReadOverrides& task) {
  std::vector<std::string> overrides;
  for (const auto& address : task.devices) {
    auto content = kernel.tree.read(sysfs::paths::attribute(address, "driver_override"));
    const bool gone = !content && (content.error().errno_value == ENOENT || content.error().errno_value == ENODEV);
    if (!content && !gone) return std::unexpected(content.error());
    overrides.push_back(gone ? std::string{} : std::move(*content));
  }
  return overrides;
}

ResultOf<FindHolders> perform(const Kernel& kernel, const FindHolders& task) {
  if (task.queries.empty()) return malformed("find holders");
  return vfio::find_holders(kernel.tree, task.queries);
}

ResultOf<ReadAttributes> perform(const Kernel& kernel, const ReadAttributes& task) {
  Attributes attributes;
  for (const auto& name : task.names) {
    auto content = kernel.tree.read(sysfs::paths::attribute(task.device, name));
    if (content) {
      attributes.emplace(name, Attribute{std::move(*content), {}});
    } else if (const int errno_value = content.error().errno_value; errno_value != ENOENT) {
      attributes.emplace(name, Attribute{{}, sysfs::errno_name(errno_value)});
    }
  }
  return attributes;
}

ResultOf<ReadConfig> perform(const Kernel& kernel, const ReadConfig& task) {
  const auto path = sysfs::paths::attribute(task.device, "config");
  auto bytes = kernel.tree.read_bytes(path, sysfs::extended_bytes);
  if (!bytes) return std::unexpected(bytes.error());
  auto status = kernel.tree.status(path);
  if (!status) return std::unexpected(status.error());
  sysfs::ConfigSpace config{.bytes = bytes_of(*bytes), .file_size = std::nullopt};
  if (*status) config.file_size = static_cast<std::size_t>((*status)->size);
  return config;
}

ResultOf<ReadVpd> perform(const Kernel& kernel, const ReadVpd& task) {
  constexpr std::size_t largest = 32768;  // PCI_VPD_MAX_SIZE, drivers/pci/vpd.c
  auto bytes = kernel.tree.read_bytes(sysfs::paths::attribute(task.device, "vpd"), largest);
  if (!bytes) return std::unexpected(bytes.error());
  return bytes_of(*bytes);
}

ResultOf<FindUsage> perform(const Kernel& kernel, const FindUsage& task) {
  if (task.devices.empty()) return malformed("find usage");
  std::vector<sysfs::Device> devices;
  for (const auto& address : task.devices) {
    auto device = sysfs::read_device(kernel.tree, address);
    if (!device) return std::unexpected(device.error());
    devices.push_back(std::move(*device));
  }
  return find_uses(kernel.tree, devices, kernel.usage, task.client_local_address);
}

ResultOf<ReadAlternativeNames> perform(const Kernel& kernel, const ReadAlternativeNames&) {
  return kernel.alternative_names();
}

}  // namespace devbindd::handoff
