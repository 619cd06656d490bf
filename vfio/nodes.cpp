// SPDX-License-Identifier: Apache-2.0
#include "vfio/nodes.hpp"

#include <cerrno>

namespace devbindd::vfio {
namespace {

sysfs::Result<std::optional<Node>> node_at(const sysfs::Tree& tree, const std::string& path) {
  auto status = tree.status(path);
  if (!status) return std::unexpected(status.error());
  if (!*status) return std::nullopt;
  return Node{"/" + path, **status};
}

sysfs::Result<> append_directory(const sysfs::Tree& tree, const std::string& directory, std::vector<Node>& nodes) {
  auto names = tree.list(directory);
  if (!names) {
    if (names.error().errno_value == ENOENT) return {};
    return std::unexpected(names.error());
  }
  for (const auto& name : *names) {
    auto node = node_at(tree, directory + "/" + name);
    if (!node) return std::unexpected(node.error());
    if (*node && (*node)->status.character_device) nodes.push_back(**node);
  }
  return {};
}

}  // namespace

sysfs::Result<std::vector<Node>> list_nodes(const sysfs::Tree& tree) {
  std::vector<Node> nodes;
  auto done = append_directory(tree, "dev/vfio", nodes);
  if (done) done = append_directory(tree, "dev/vfio/devices", nodes);
  if (!done) return std::unexpected(done.error());
  return nodes;
}

sysfs::Result<DeviceNodes> nodes_of(const sysfs::Tree& tree, const sysfs::Device& device) {
  DeviceNodes nodes;
  if (!sysfs::is_vfio_bound(device)) return nodes;
  if (device.iommu_group) {
    const auto number = std::to_string(*device.iommu_group);
    for (const auto& name : {number, "noiommu-" + number}) {
      auto node = node_at(tree, "dev/vfio/" + name);
      if (!node) return std::unexpected(node.error());
      if (*node && !nodes.group) nodes.group = **node;
    }
  }
  if (device.vfio_device) {
    auto node = node_at(tree, "dev/vfio/devices/" + *device.vfio_device);
    if (!node) return std::unexpected(node.error());
    nodes.cdev = *node;
  }
  return nodes;
}

}  // namespace devbindd::vfio
