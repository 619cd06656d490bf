// SPDX-License-Identifier: Apache-2.0
// The parts of the kernel's VFIO and iommufd interface that linux/vfio.h of the build host may be too old to have
// (Debian 12's is of kernel 6.1: no device cdev, no iommufd). Numbers and layouts are fixed by the kernel's ABI.
// Source: include/uapi/linux/vfio.h, include/uapi/linux/iommufd.h of kernel 6.12.
#pragma once

#include <linux/ioctl.h>

#include <cstdint>

namespace devbindd::vfio::uapi {

// struct vfio_device_bind_iommufd
struct BindIommufd {
  std::uint32_t argsz;
  std::uint32_t flags;
  std::int32_t iommufd;
  std::uint32_t out_devid;
};
// struct vfio_device_attach_iommufd_pt
struct AttachIommufdPt {
  std::uint32_t argsz;
  std::uint32_t flags;
  std::uint32_t pt_id;
};
// struct iommu_ioas_alloc
struct IoasAlloc {
  std::uint32_t size;
  std::uint32_t flags;
  std::uint32_t out_ioas_id;
};
// struct iommu_iova_range
struct IovaRange {
  std::uint64_t start;
  std::uint64_t last;
};
// struct iommu_ioas_iova_ranges
struct IoasIovaRanges {
  std::uint32_t size;
  std::uint32_t ioas_id;
  std::uint32_t num_iovas;
  std::uint32_t reserved;
  std::uint64_t allowed_iovas;
  std::uint64_t out_iova_alignment;
};

// struct iommu_hw_info
struct HwInfo {
  std::uint32_t size;
  std::uint32_t flags;
  std::uint32_t dev_id;
  std::uint32_t data_len;
  std::uint64_t data_uptr;
  std::uint32_t out_data_type;
  std::uint32_t reserved;
  std::uint64_t out_capabilities;
};

static_assert(sizeof(HwInfo) == 40);
static_assert(sizeof(BindIommufd) == 16 && sizeof(AttachIommufdPt) == 12 && sizeof(IoasAlloc) == 12);
static_assert(sizeof(IovaRange) == 16 && sizeof(IoasIovaRanges) == 32);

constexpr unsigned long device_bind_iommufd = _IO(';', 100 + 18);
constexpr unsigned long device_attach_iommufd_pt = _IO(';', 100 + 19);
constexpr unsigned long ioas_alloc = _IO(';', 0x81);
constexpr unsigned long ioas_iova_ranges = _IO(';', 0x84);
constexpr unsigned long get_hw_info = _IO(';', 0x8a);

static_assert(device_bind_iommufd == 0x3B76 && device_attach_iommufd_pt == 0x3B77);
static_assert(ioas_alloc == 0x3B81 && ioas_iova_ranges == 0x3B84 && get_hw_info == 0x3B8A);

// Device features that came after kernel 6.1.
constexpr std::uint32_t feature_index_mask = 0xffff;
constexpr std::uint32_t feature_get = 1U << 16U;
constexpr std::uint32_t feature_set = 1U << 17U;
constexpr std::uint32_t feature_probe = 1U << 18U;

}  // namespace devbindd::vfio::uapi
