// SPDX-License-Identifier: Apache-2.0
// The open descriptors of a claim, for a consumer that needs no right on any node: which nodes, in which order, opened
// by a worker. Not here: how they reach the consumer (api/http/first_bytes.hpp), what is done with them.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "handoff/model/claim.hpp"
#include "handoff/operation/engine.hpp"
#include "sysfs/kernel/file_descriptor.hpp"

namespace devbindd::handoff {

enum class DescriptorWay {
  Group,  ///< the container, then each group
  Cdev,   ///< iommufd, then each device
};

std::string_view name_of(DescriptorWay way);
std::optional<DescriptorWay> descriptor_way_named(std::string_view name);

/// What one of them is.
struct DescriptorRole {
  std::string name;                             ///< "container", "group", "iommufd" or "device"
  std::string path;                             ///< the node that was opened
  std::optional<unsigned> iommu_group = {};     ///< of a group or device
  std::vector<sysfs::PciAddress> devices = {};  ///< that it leads to: a device, or those of the claim in a group
};

struct ClaimDescriptors {
  DescriptorWay way = DescriptorWay::Group;
  std::vector<DescriptorRole> roles;
  std::vector<sysfs::FileDescriptor> open;  ///< one for each role
};

/// By devices where this kernel has nodes for all of the claim's, else by groups. Errors: DeviceNotFound, Kernel.
sysfs::Result<DescriptorWay> best_way(Engine& engine, const Claim& claim);

/// Opens what the claim's devices are reached by. Without `way` by devices where this kernel has nodes for all of them,
/// else by groups. `done` is called once. Errors: NodeNotFound, when the kernel does not have that way or udev has not
/// made the node; DeviceOpen, when somebody has a group open (EBUSY: there is one user at a time); Overdue; Kernel.
/// Source: vfio_group_fops_open() in drivers/vfio/group.c, vfio_device_fops_cdev_open() in device_cdev.c.
void open_descriptors(Engine& engine, const Claim& claim, std::optional<DescriptorWay> way, const Asker& asker,
                      std::function<void(sysfs::Result<ClaimDescriptors>)> done);

}  // namespace devbindd::handoff
