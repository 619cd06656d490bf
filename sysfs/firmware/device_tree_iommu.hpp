// SPDX-License-Identifier: Apache-2.0
// The IOMMUs of a host that has a device tree instead of ACPI, and what is behind each: the properties `iommus` and
// `iommu-map` of /proc/device-tree. Source: Devicetree specification 0.4;
// Documentation/devicetree/bindings/iommu/iommu.txt and pci/pci-iommu.txt; drivers/of/base.c, of_map_id().
#pragma once

#include <string>
#include <vector>

#include "sysfs/firmware/acpi_table.hpp"
#include "sysfs/kernel/tree.hpp"

namespace devbindd::sysfs {

/// A node with `#iommu-cells`.
struct DeviceTreeUnit {
  std::string path;                   ///< below the root, "/soc/iommu@15000000"
  std::uint32_t phandle = 0;          ///< 0: it has none, and nobody can refer to it
  std::uint32_t cells = 0;            ///< of an ID
  std::optional<std::uint64_t> base;  ///< of its registers; nullopt: `reg` is missing, or of a bus with other addresses
  std::vector<std::string> compatible;  ///< "arm,smmu-v3", ...

  bool operator==(const DeviceTreeUnit&) const = default;
};

/// An entry of `iommus`: what the node's own requests go to.
struct DeviceTreeUser {
  std::string path;
  std::uint32_t phandle = 0;       ///< of the unit
  std::vector<std::uint32_t> ids;  ///< as many cells as the unit has

  bool operator==(const DeviceTreeUser&) const = default;
};

/// An entry of `iommu-map`: which requester IDs below a PCI host bridge go to which unit as which ID.
struct DeviceTreeMap {
  std::string path;
  std::optional<std::uint32_t> domain;  ///< `linux,pci-domain`
  std::uint32_t first = 0;
  std::uint32_t mask = 0xffffffff;  ///< `iommu-map-mask`, before the comparison
  std::uint32_t phandle = 0;        ///< of the unit
  std::uint32_t output = 0;
  std::uint32_t length = 0;  ///< how many

  bool operator==(const DeviceTreeMap&) const = default;
};

struct DeviceTreeProblem {
  std::string path;
  std::string detail;

  bool operator==(const DeviceTreeProblem&) const = default;
};

struct DeviceTree {
  std::vector<DeviceTreeUnit> units;
  std::vector<DeviceTreeUser> users;
  std::vector<DeviceTreeMap> maps;
  std::vector<DeviceTreeProblem> problems;

  bool operator==(const DeviceTree&) const = default;
};

/// nullopt: the host has no device tree. Reads every node once, at most 20000 of them, not deeper than 32.
std::optional<DeviceTree> read_device_tree(const Tree& tree);

}  // namespace devbindd::sysfs
