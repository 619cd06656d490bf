// SPDX-License-Identifier: Apache-2.0
// What the VFIO container says about the kernel: API version and extensions. Touches no device.
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "vfio/ioctl.hpp"

namespace devbindd::vfio {

struct Extension {
  unsigned long number = 0;
  std::string_view name;  ///< "type1v2_iommu": the name in linux/vfio.h without prefix, lower case
  int answer = 0;         ///< 0: not there
};

struct ContainerFacts {
  int api_version = 0;
  std::vector<Extension> extensions;  ///< every extension of linux/vfio.h, present or not
};

/// Opens the container, asks, closes it. Before SET_IOMMU the answers are those of all loaded IOMMU backends together:
/// without vfio_iommu_type1 every one is 0. Errors: Kernel (ENOENT, ENODEV: no vfio module).
/// Source: include/uapi/linux/vfio.h; drivers/vfio/container.c, vfio_ioctl_check_extension.
Result<ContainerFacts> container_facts(const Ioctl& ioctl);

/// Every extension of linux/vfio.h, without an answer.
std::span<const Extension> known_extensions();

/// The wire name of an extension, "unknown" for a number that this version does not know.
std::string_view extension_name(unsigned long number);

}  // namespace devbindd::vfio
