#include "sysfs/iommu_group.hpp"

#include <algorithm>
#include <cerrno>
#include <charconv>

#include "sysfs/paths.hpp"

namespace devbindd::sysfs {

Result<IommuGroup> read_iommu_group(const Tree& tree, unsigned number) {
  const auto path = paths::iommu_group(number);
  auto names = tree.list(path + "/devices");
  if (!names) {
    if (names.error().errno_value != ENOENT) return std::unexpected(names.error());
    return fail(ErrorCode::GroupNotFound, "there is no IOMMU group " + std::to_string(number), 0, "/" + path);
  }
  IommuGroup group;
  group.number = number;
  for (const auto& name : *names) {
    if (const auto address = parse_pci_address(name)) {
      group.members.push_back(*address);
    } else {
      group.other_members.push_back(name);
    }
  }
  std::ranges::sort(group.members);
  if (auto type = tree.read(path + "/type")) group.type = *type;
  group.no_iommu = tree.read(path + "/name").value_or("") == "vfio-noiommu";
  return group;
}

Result<std::vector<unsigned>> list_iommu_groups(const Tree& tree) {
  auto names = tree.list(paths::iommu_groups);
  if (!names) {
    if (names.error().errno_value == ENOENT) return std::vector<unsigned>{};
    return std::unexpected(names.error());
  }
  std::vector<unsigned> numbers;
  for (const auto& name : *names) {
    unsigned number = 0;
    const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), number);
    if (error == std::errc{} && end == name.data() + name.size()) numbers.push_back(number);
  }
  std::ranges::sort(numbers);
  return numbers;
}

std::vector<ViabilityBlocker> viability_blockers(const std::vector<Device>& members) {
  std::vector<ViabilityBlocker> blockers;
  for (const auto& member : members) {
    if (!member.driver || manages_dma(*member.driver) || member.vfio_device) continue;
    blockers.push_back({member.address, *member.driver});
  }
  return blockers;
}

}  // namespace devbindd::sysfs
