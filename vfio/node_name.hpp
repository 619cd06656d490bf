// SPDX-License-Identifier: Apache-2.0
// The names that nodes of VFIO and of iommufd have below /dev. Pure. Not here: which nodes there are (nodes.hpp).
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace devbindd::vfio {

/// What a node belongs to.
struct NodeName {
  enum class Kind { Shared, Group, Device } kind = Kind::Shared;  ///< Shared: of the container, or of iommufd
  std::uint32_t number = 0;                                       ///< of the IOMMU group; of the VFIO device
};

/// "/dev/vfio/vfio", "/dev/iommu", "/dev/vfio/24", "/dev/vfio/noiommu-0", "/dev/vfio/devices/vfio3"; nullopt for any
/// other text. Source: drivers/vfio/group.c, vfio_main.c, device_cdev.c; drivers/iommu/iommufd/main.c.
std::optional<NodeName> node_named(std::string_view path);

}  // namespace devbindd::vfio
