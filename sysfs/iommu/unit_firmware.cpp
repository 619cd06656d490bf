// SPDX-License-Identifier: Apache-2.0
#include "sysfs/iommu/unit_firmware.hpp"

#include <algorithm>

#include "sysfs/kernel/fields.hpp"

namespace devbindd::sysfs {
namespace {

// "smmu3.0x0000000009050000": drivers/iommu/arm/arm-smmu-v3/arm-smmu-v3.c. "a003e00.virtio_mmio":
// drivers/of/platform.c.
std::optional<std::uint64_t> address_in(const std::string& name) {
  const std::string_view text = name;
  if (const auto at = text.find(".0x"); at != std::string_view::npos)
    return number_from<std::uint64_t>(text.substr(at + 3), 16);
  if (const auto dot = text.find(".virtio"); dot != std::string_view::npos)
    return number_from<std::uint64_t>(text.substr(0, dot), 16);
  return std::nullopt;
}

std::optional<std::uint64_t> registers_of(const IommuUnit& unit) {
  return unit.intel ? unit.intel->address : address_in(unit.name);
}

// The PCI function that the unit is: by the link of its class device, or by its name.
std::optional<PciAddress> function_of(const Tree& tree, const IommuUnit& unit) {
  const auto device = link_name(tree, "sys/class/iommu/" + unit.name + "/device");
  if (device && *device) {
    if (const auto address = parse_pci_address(**device)) return *address;
  }
  const auto address = parse_pci_address(unit.name);
  return address ? std::optional(*address) : std::nullopt;
}

bool is_of_kind(const IommuUnit& unit, const FirmwareStructure& structure) {
  switch (unit.kind) {
    case IommuKind::Intel: return structure.kind == "drhd";
    case IommuKind::Amd: return structure.kind == "ivhd";
    case IommuKind::Smmu: return structure.kind == "smmu" || structure.kind == "iommu";
    case IommuKind::SmmuV3: return structure.kind == "smmu_v3" || structure.kind == "iommu";
    case IommuKind::Virtio: return structure.kind == "virtio" || structure.kind == "iommu";
    default: return structure.kind == "iommu";
  }
}

class Join {
 public:
  Join(const Tree& tree, const std::vector<FirmwareStructure>& structures)
      : tree_(tree), structures_(structures), taken_(structures.size()) {}

  std::optional<std::size_t> take_for(const IommuUnit& unit) {
    const auto base = registers_of(unit);
    const auto function = function_of(tree_, unit);
    for (std::size_t at = 0; at < structures_.size(); ++at) {
      const auto& structure = structures_[at];
      if (taken_[at] || !structure.is_unit || !is_of_kind(unit, structure)) continue;
      const bool fits = (base && structure.base == base) || (function && structure.address == function);
      if (!fits) continue;
      taken_[at] = true;
      return at;
    }
    return unit.kind == IommuKind::Amd && !function ? take_by_order(unit) : std::nullopt;
  }

 private:
  // "ivhd1" is the second one of the table: amd/init.c, init_iommu_all().
  std::optional<std::size_t> take_by_order(const IommuUnit& unit) {
    auto number = number_from<std::size_t>(std::string_view(unit.name).substr(4));
    for (std::size_t at = 0; number && at < structures_.size(); ++at) {
      if (structures_[at].kind != "ivhd") continue;
      if ((*number)-- > 0) continue;
      if (taken_[at]) return std::nullopt;
      taken_[at] = true;
      return at;
    }
    return std::nullopt;
  }

  const Tree& tree_;
  const std::vector<FirmwareStructure>& structures_;
  std::vector<bool> taken_;
};

}  // namespace

std::vector<std::optional<std::size_t>> structures_of(const Tree& tree, const std::vector<IommuUnit>& units,
                                                      const std::vector<FirmwareStructure>& structures) {
  Join join(tree, structures);
  std::vector<std::optional<std::size_t>> found;
  for (const auto& unit : units) found.push_back(join.take_for(unit));
  return found;
}

}  // namespace devbindd::sysfs
