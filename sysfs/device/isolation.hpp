// SPDX-License-Identifier: Apache-2.0
// Why an IOMMU group is as large as it is: which bridge, or which missing access control (ACS), merges its members.
// Pure: from the path of each device and the configuration space of the functions involved.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "sysfs/config_space/config_space.hpp"
#include "sysfs/device/device.hpp"

namespace devbindd::sysfs {

enum class MergeKind {
  RequesterAlias,  ///< behind a bridge to conventional PCI: everything there uses the bridge's requester ID
  BridgeAcs,       ///< a port above lacks ACS: what is below may reach its siblings without passing the IOMMU
  FunctionAcs,     ///< functions of one device without ACS may reach each other
  Unexplained,     ///< a quirk of the kernel, or registers that could not be read
};
std::string_view name_of(MergeKind kind);

struct Merge {
  MergeKind kind = MergeKind::Unexplained;
  std::optional<PciAddress> culprit;  ///< the bridge; nullopt for functions among themselves
  std::vector<PciAddress> members;    ///< of the group, whom it merges
  std::vector<std::string> missing;   ///< the ACS services that are off: "source_validation", ...

  bool operator==(const Merge&) const = default;
};

/// One sentence for a person.
std::string explanation_of(const Merge& merge);

/// The PCI functions on the way from the root to the device, the nearest last, without the device itself.
std::vector<PciAddress> upstream_of(const Device& device);

/// The functions whose configuration space merges_in() wants: the members, and the bridges above them.
std::vector<PciAddress> functions_involved(const std::vector<Device>& members);

/// Empty for a group of one. `configs` lacks what could not be read; 64 bytes alone are not enough to see ACS, and then
/// a merge is Unexplained rather than guessed. Source: drivers/iommu/iommu.c, pci_device_group and
/// get_pci_function_alias_group; drivers/pci/pci.c, pci_acs_enabled (REQ_ACS_FLAGS: SV, RR, CR, UF). The kernel's
/// quirks for devices that isolate without ACS cannot be seen from outside.
std::vector<Merge> merges_in(const std::vector<Device>& members, const std::map<PciAddress, ConfigSpace>& configs);

}  // namespace devbindd::sysfs
