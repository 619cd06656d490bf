// SPDX-License-Identifier: Apache-2.0
#include "vfio/probe.hpp"

#include <linux/vfio.h>

#include <cerrno>
#include <cstring>

#include "vfio/group_device.hpp"
#include "vfio/question.hpp"
#include "vfio/uapi.hpp"

namespace devbindd::vfio {
namespace {

constexpr unsigned max_indices = 64;  // more than any device has; the kernel's count is not trusted beyond it
constexpr unsigned known_features = 14;

// ENOSPC with the count tells how many entries there are (struct vfio_pci_hot_reset_info: 12 bytes, then 8 for each).
RawAnswer ask_hot_reset(const Ioctl& ioctl, const FileDescriptor& device) {
  constexpr std::size_t fixed = 12;
  constexpr std::size_t entry = 8;
  Bytes argument(fixed);
  for (int attempt = 0; attempt < 3; ++attempt) {
    set_argsz(argument);
    const auto done = ioctl.call(device, VFIO_DEVICE_GET_PCI_HOT_RESET_INFO, argument);
    if (done) return {"hot_reset", 0, argument};
    std::uint32_t count = 0;
    std::memcpy(&count, argument.data() + 8, sizeof count);
    if (done.error().errno_value != ENOSPC || count > max_answer / entry)
      return {"hot_reset", done.error().errno_value, {}};
    argument.assign(fixed + count * entry, std::byte{0});
  }
  return {"hot_reset", ENOSPC, {}};
}

RawAnswer ask_feature(const Ioctl& ioctl, const FileDescriptor& device, unsigned index, std::uint32_t direction) {
  const vfio_device_feature feature{.argsz = sizeof(vfio_device_feature),
                                    .flags = index | direction | uapi::feature_probe};
  auto argument = bytes_of(feature);
  const auto done = ioctl.call(device, VFIO_DEVICE_FEATURE, argument);
  const auto* name = direction == uapi::feature_get ? "feature_get/" : "feature_set/";
  return {name + std::to_string(index), done ? 0 : done.error().errno_value, {}};
}

RawAnswer ask_migration(const Ioctl& ioctl, const FileDescriptor& device) {
  Bytes argument(sizeof(vfio_device_feature) + sizeof(std::uint64_t));
  const vfio_device_feature feature{.argsz = static_cast<std::uint32_t>(argument.size()),
                                    .flags = 1U | uapi::feature_get};
  std::memcpy(argument.data(), &feature, sizeof feature);
  const auto done = ioctl.call(device, VFIO_DEVICE_FEATURE, argument);
  return {"migration", done ? 0 : done.error().errno_value, done ? argument : Bytes{}};
}

void ask_device(const Ioctl& ioctl, const FileDescriptor& device, std::vector<RawAnswer>& answers) {
  answers.push_back(ask(ioctl, device, VFIO_DEVICE_GET_INFO, "device_info", Bytes(sizeof(vfio_device_info))));
  vfio_device_info info{};
  if (answers.back().bytes.size() >= sizeof info) std::memcpy(&info, answers.back().bytes.data(), sizeof info);
  for (unsigned index = 0; index < std::min(info.num_regions, max_indices); ++index) {
    const vfio_region_info region{.argsz = 0, .flags = 0, .index = index, .cap_offset = 0, .size = 0, .offset = 0};
    answers.push_back(
        ask(ioctl, device, VFIO_DEVICE_GET_REGION_INFO, "region/" + std::to_string(index), bytes_of(region)));
  }
  for (unsigned index = 0; index < std::min(info.num_irqs, max_indices); ++index) {
    const vfio_irq_info irq{.argsz = 0, .flags = 0, .index = index, .count = 0};
    answers.push_back(ask(ioctl, device, VFIO_DEVICE_GET_IRQ_INFO, "irq/" + std::to_string(index), bytes_of(irq)));
  }
  answers.push_back(ask_hot_reset(ioctl, device));
  for (unsigned index = 0; index < known_features; ++index) {
    answers.push_back(ask_feature(ioctl, device, index, uapi::feature_get));
    answers.push_back(ask_feature(ioctl, device, index, uapi::feature_set));
  }
  answers.push_back(ask_migration(ioctl, device));
}

sysfs::Result<std::vector<RawAnswer>> probe_group(const Ioctl& ioctl, const ProbeQuery& query) {
  auto container = ioctl.open_container();
  if (!container) return std::unexpected(container.error());
  auto group = ioctl.open_node(query.node);
  if (!group) return std::unexpected(group.error());
  std::vector<RawAnswer> answers;
  answers.push_back(ask(ioctl, *group, VFIO_GROUP_GET_STATUS, "group_status", Bytes(sizeof(vfio_group_status))));
  const unsigned long type = query.no_iommu ? VFIO_NOIOMMU_IOMMU : VFIO_TYPE1v2_IOMMU;
  if (auto done = attach_group(ioctl, *container, *group, type); !done) return std::unexpected(done.error());
  auto device = device_of_group(ioctl, *group, query.address);
  if (!device) return std::unexpected(device.error());
  ask_device(ioctl, *device, answers);
  answers.push_back(ask(ioctl, *container, VFIO_IOMMU_GET_INFO, "iommu_info", Bytes(sizeof(vfio_iommu_type1_info))));
  return answers;
}

sysfs::Result<std::vector<RawAnswer>> probe_cdev(const Ioctl& ioctl, const ProbeQuery& query) {
  auto iommufd = ioctl.open_node("/dev/iommu");
  if (!iommufd) return std::unexpected(iommufd.error());
  auto device = ioctl.open_node(query.node);
  if (!device) return std::unexpected(device.error());
  auto argument = bytes_of(
      uapi::BindIommufd{.argsz = sizeof(uapi::BindIommufd), .flags = 0, .iommufd = iommufd->get(), .out_devid = 0});
  if (auto done = ioctl.call(*device, uapi::device_bind_iommufd, argument); !done) return std::unexpected(done.error());
  std::vector<RawAnswer> answers;
  ask_device(ioctl, *device, answers);
  uapi::BindIommufd bound{};
  std::memcpy(&bound, argument.data(), std::min(argument.size(), sizeof bound));
  ask_iommufd(ioctl, *iommufd, *device, bound.out_devid, answers);
  return answers;
}

}  // namespace

sysfs::Result<std::vector<RawAnswer>> probe(const Ioctl& ioctl, const ProbeQuery& query) {
  return query.way == ProbeWay::Group ? probe_group(ioctl, query) : probe_cdev(ioctl, query);
}

}  // namespace devbindd::vfio
