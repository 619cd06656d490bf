// SPDX-License-Identifier: Apache-2.0
#include "handoff/claim/claim_descriptors.hpp"

#include <algorithm>
#include <cerrno>
#include <memory>

#include "sysfs/kernel/descriptor_passing.hpp"
#include "vfio/nodes.hpp"

namespace devbindd::handoff {
namespace {

using sysfs::ErrorCode;

constexpr const char* container_node = "/dev/vfio/vfio";
constexpr const char* iommufd_node = "/dev/iommu";

// The claim's devices that are there, with their nodes.
using Reached = std::vector<std::pair<const sysfs::Device*, vfio::DeviceNodes>>;

sysfs::Result<Reached> nodes_of(const Engine& engine, const Claim& claim) {
  const auto& services = engine.services();
  Reached reached;
  for (const auto& claimed : claim.devices) {
    const auto* device = services.inventory.find(claimed.address);
    if (device == nullptr)
      return sysfs::fail(ErrorCode::DeviceNotFound,
                         "there is no PCI device at " + sysfs::to_string(claimed.address) + " any more");
    if (!is_as_claimed(claimed, device))
      return sysfs::fail(ErrorCode::NodeNotFound, sysfs::to_string(claimed.address) + " is not as it was claimed");
    auto nodes = vfio::nodes_of(services.tree, *device);
    if (!nodes) return std::unexpected(nodes.error());
    reached.emplace_back(device, std::move(*nodes));
  }
  return reached;
}

std::unexpected<sysfs::Error> no_node(const std::string& what, const sysfs::Device& device) {
  return sysfs::fail(ErrorCode::NodeNotFound, "there is no " + what + " for " + sysfs::to_string(device.address));
}

sysfs::Result<std::vector<DescriptorRole>> group_roles(const Reached& reached) {
  std::vector<DescriptorRole> roles{{.name = "container", .path = container_node}};
  for (const auto& [device, nodes] : reached) {
    if (!nodes.group) return no_node("group node", *device);
    const auto known = std::ranges::find(roles, nodes.group->path, &DescriptorRole::path);
    if (known != roles.end()) {
      known->devices.push_back(device->address);
      continue;
    }
    roles.push_back({"group", nodes.group->path, device->iommu_group, {device->address}});
  }
  return roles;
}

sysfs::Result<std::vector<DescriptorRole>> cdev_roles(const Reached& reached) {
  std::vector<DescriptorRole> roles{{.name = "iommufd", .path = iommufd_node}};
  for (const auto& [device, nodes] : reached) {
    if (!nodes.cdev) return no_node("device node (cdev)", *device);
    roles.push_back({"device", nodes.cdev->path, device->iommu_group, {device->address}});
  }
  return roles;
}

DescriptorWay best_way(const sysfs::Tree& tree, const Reached& reached) {
  const bool cdevs = std::ranges::all_of(reached, [](const auto& item) { return item.second.cdev.has_value(); });
  return cdevs && sysfs::exists(tree, std::string_view(iommufd_node).substr(1)) ? DescriptorWay::Cdev
                                                                                : DescriptorWay::Group;
}

// What open(2) of these nodes says.
sysfs::Error meaning_of(sysfs::Error error) {
  if (error.errno_value == EBUSY) {
    error.code = ErrorCode::DeviceOpen;
    error.message = error.path + " is open already, and a group has one user at a time";
  }
  if (error.errno_value == ENOENT || error.errno_value == ENODEV || error.errno_value == ENXIO)
    error.code = ErrorCode::NodeNotFound;
  return error;
}

}  // namespace

std::string_view name_of(DescriptorWay way) { return way == DescriptorWay::Group ? "group" : "cdev"; }

std::optional<DescriptorWay> descriptor_way_named(std::string_view name) {
  for (const auto way : {DescriptorWay::Group, DescriptorWay::Cdev}) {
    if (name_of(way) == name) return way;
  }
  return std::nullopt;
}

sysfs::Result<DescriptorWay> best_way(Engine& engine, const Claim& claim) {
  if (auto known = engine.current(); !known) return std::unexpected(known.error());
  const auto reached = nodes_of(engine, claim);
  if (!reached) return std::unexpected(reached.error());
  return best_way(engine.services().tree, *reached);
}

void open_descriptors(Engine& engine, const Claim& claim, std::optional<DescriptorWay> way, const Asker& asker,
                      std::function<void(sysfs::Result<ClaimDescriptors>)> done) {
  if (auto known = engine.current(); !known) return done(std::unexpected(known.error()));
  auto reached = nodes_of(engine, claim);
  if (!reached) return done(std::unexpected(reached.error()));
  auto found = std::make_shared<ClaimDescriptors>();
  found->way = way ? *way : best_way(engine.services().tree, *reached);
  auto roles = found->way == DescriptorWay::Group ? group_roles(*reached) : cdev_roles(*reached);
  if (!roles) return done(std::unexpected(roles.error()));
  if (roles->size() > sysfs::max_passed_descriptors)
    return done(sysfs::fail(ErrorCode::TooBusy, "the claim has more nodes than one message takes: " +
                                                    std::to_string(sysfs::max_passed_descriptors)));
  found->roles = std::move(*roles);
  OpenNodes nodes;
  for (const auto& role : found->roles) nodes.paths.push_back(role.path);
  auto callbacks = within_deadline_of<OpenNodes>("opening the nodes takes too long",
                                                 [found, done = std::move(done)](const ResultOf<OpenNodes>& result) {
                                                   if (!result)
                                                     return done(std::unexpected(meaning_of(result.error())));
                                                   done(std::move(*found));
                                                 });
  callbacks.on_descriptors = [found](std::vector<sysfs::FileDescriptor> opened) { found->open = std::move(opened); };
  engine.services().run_task({std::move(nodes), asker}, std::move(callbacks));
}

}  // namespace devbindd::handoff
