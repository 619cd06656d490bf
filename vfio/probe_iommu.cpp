// SPDX-License-Identifier: Apache-2.0
#include <linux/vfio.h>

#include <algorithm>
#include <cerrno>

#include "vfio/container.hpp"
#include "vfio/group_device.hpp"
#include "vfio/question.hpp"
#include "vfio/uapi.hpp"

namespace devbindd::vfio {
namespace {

constexpr std::size_t most_ranges = 1024;

// The kernel writes the ranges into an array of ours and says how many there are; EMSGSIZE: more than fit.
RawAnswer ask_ranges(const Ioctl& ioctl, const FileDescriptor& iommufd, std::uint32_t ioas) {
  std::vector<uapi::IovaRange> ranges(most_ranges);
  auto argument = bytes_of(uapi::IoasIovaRanges{.size = sizeof(uapi::IoasIovaRanges),
                                                .ioas_id = ioas,
                                                .num_iovas = most_ranges,
                                                .reserved = 0,
                                                .allowed_iovas = reinterpret_cast<std::uint64_t>(ranges.data()),
                                                .out_iova_alignment = 0});
  if (const auto done = ioctl.call(iommufd, uapi::ioas_iova_ranges, argument); !done)
    return {"ioas_ranges", done.error().errno_value, {}};
  uapi::IoasIovaRanges answer{};
  std::memcpy(&answer, argument.data(), std::min(argument.size(), sizeof answer));
  ranges.resize(std::min<std::size_t>(answer.num_iovas, most_ranges));
  auto bytes = bytes_of(answer.out_iova_alignment);
  for (const auto& range : ranges) {
    const auto one = bytes_of(range);
    bytes.insert(bytes.end(), one.begin(), one.end());
  }
  return {"ioas_ranges", 0, std::move(bytes)};
}

RawAnswer ask_hardware(const Ioctl& ioctl, const FileDescriptor& iommufd, std::uint32_t device_id) {
  auto argument = bytes_of(uapi::HwInfo{.size = sizeof(uapi::HwInfo),
                                        .flags = 0,
                                        .dev_id = device_id,
                                        .data_len = 0,
                                        .data_uptr = 0,
                                        .out_data_type = 0,
                                        .reserved = 0,
                                        .out_capabilities = 0});
  const auto done = ioctl.call(iommufd, uapi::get_hw_info, argument);
  return {"hw_info", done ? 0 : done.error().errno_value, done ? argument : Bytes{}};
}

// An I/O address space of its own, with the device in it: only then are the ranges those of its IOMMU.
sysfs::Result<std::uint32_t> attached_space(const Ioctl& ioctl, const FileDescriptor& iommufd,
                                            const FileDescriptor& device) {
  auto allocate = bytes_of(uapi::IoasAlloc{.size = sizeof(uapi::IoasAlloc), .flags = 0, .out_ioas_id = 0});
  if (auto done = ioctl.call(iommufd, uapi::ioas_alloc, allocate); !done) return std::unexpected(done.error());
  uapi::IoasAlloc space{};
  std::memcpy(&space, allocate.data(), std::min(allocate.size(), sizeof space));
  auto attach =
      bytes_of(uapi::AttachIommufdPt{.argsz = sizeof(uapi::AttachIommufdPt), .flags = 0, .pt_id = space.out_ioas_id});
  if (auto done = ioctl.call(device, uapi::device_attach_iommufd_pt, attach); !done)
    return std::unexpected(done.error());
  return space.out_ioas_id;
}

sysfs::Result<std::vector<RawAnswer>> probe_container(const Ioctl& ioctl, const ProbeQuery& query) {
  auto container = ioctl.open_container();
  if (!container) return std::unexpected(container.error());
  auto group = ioctl.open_node(query.node);
  if (!group) return std::unexpected(group.error());
  const unsigned long type = query.no_iommu ? VFIO_NOIOMMU_IOMMU : VFIO_TYPE1v2_IOMMU;
  if (auto done = attach_group(ioctl, *container, *group, type); !done) return std::unexpected(done.error());
  std::vector<RawAnswer> answers;
  for (const auto& extension : known_extensions()) {
    const auto answer = ioctl.check_extension(*container, extension.number);
    if (!answer) return std::unexpected(answer.error());
    answers.push_back({"extension/" + std::to_string(extension.number), 0, bytes_of(std::int32_t{*answer})});
  }
  answers.push_back(ask(ioctl, *container, VFIO_IOMMU_GET_INFO, "iommu_info", Bytes(sizeof(vfio_iommu_type1_info))));
  return answers;
}

sysfs::Result<std::vector<RawAnswer>> probe_iommufd(const Ioctl& ioctl, const ProbeQuery& query) {
  auto iommufd = ioctl.open_node("/dev/iommu");
  if (!iommufd) return std::unexpected(iommufd.error());
  auto device = ioctl.open_node(query.node);
  if (!device) return std::unexpected(device.error());
  uapi::BindIommufd bound{.argsz = sizeof(uapi::BindIommufd), .flags = 0, .iommufd = iommufd->get(), .out_devid = 0};
  auto argument = bytes_of(bound);
  if (auto done = ioctl.call(*device, uapi::device_bind_iommufd, argument); !done) return std::unexpected(done.error());
  std::memcpy(&bound, argument.data(), std::min(argument.size(), sizeof bound));
  std::vector<RawAnswer> answers;
  ask_iommufd(ioctl, *iommufd, *device, bound.out_devid, answers);
  return answers;
}

}  // namespace

void ask_iommufd(const Ioctl& ioctl, const FileDescriptor& iommufd, const FileDescriptor& device,
                 std::uint32_t device_id, std::vector<RawAnswer>& answers) {
  answers.push_back(ask_hardware(ioctl, iommufd, device_id));
  const auto space = attached_space(ioctl, iommufd, device);
  answers.push_back(space ? ask_ranges(ioctl, iommufd, *space)
                          : RawAnswer{"ioas_ranges", space.error().errno_value, {}});
}

sysfs::Result<std::vector<RawAnswer>> probe_iommu(const Ioctl& ioctl, const ProbeQuery& query) {
  return query.way == ProbeWay::Group ? probe_container(ioctl, query) : probe_iommufd(ioctl, query);
}

}  // namespace devbindd::vfio
