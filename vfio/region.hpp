// SPDX-License-Identifier: Apache-2.0
// Regions and IRQs of a VFIO device: what the kernel's answers to the info ioctls say, byte for byte decoded. Pure.
// Not here: asking the kernel (probe.hpp), deriving the same without asking (passive_regions.hpp).
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "sysfs/kernel/result.hpp"

namespace devbindd::vfio {

/// A part of a region that may be mapped.
struct SparseArea {
  std::uint64_t offset = 0;  ///< within the region
  std::uint64_t size = 0;

  bool operator==(const SparseArea&) const = default;
};

/// One link of an info structure's capability chain.
struct RegionCapability {
  std::uint16_t id = 0;
  std::uint16_t version = 0;
  std::vector<SparseArea> areas;         ///< id 1, sparse mmap
  std::optional<std::uint32_t> type;     ///< id 2, device specific region
  std::optional<std::uint32_t> subtype;  ///< id 2
  std::size_t length = 0;                ///< bytes of the payload, for IDs that are not decoded

  bool operator==(const RegionCapability&) const = default;
};

constexpr std::uint16_t capability_sparse_mmap = 1;
constexpr std::uint16_t capability_type = 2;
constexpr std::uint16_t capability_msix_mappable = 3;

constexpr std::uint32_t region_readable = 1;
constexpr std::uint32_t region_writable = 2;
constexpr std::uint32_t region_mappable = 4;
constexpr std::uint32_t region_has_capabilities = 8;

struct Region {
  unsigned index = 0;
  bool present = true;  ///< false: the kernel has no such region here (the VGA index of most devices); kept, so that
                        ///< no index shifts
  int errno_value = 0;  ///< why it is not present, when the kernel said so by an error
  std::uint32_t flags = 0;
  std::uint64_t size = 0;    ///< 0: absent
  std::uint64_t offset = 0;  ///< of the region in the device descriptor
  std::vector<RegionCapability> capabilities;
  std::vector<std::string> problems;  ///< what is wrong with the capability chain

  bool operator==(const Region&) const = default;
};

struct Irq {
  unsigned index = 0;
  bool present = true;
  int errno_value = 0;
  std::uint32_t flags = 0;
  std::uint32_t count = 0;

  bool operator==(const Irq&) const = default;
};

/// Which bytes of a region may be mapped, and why no others.
struct Mappable {
  std::vector<SparseArea> areas;
  std::string reason;  ///< one sentence
};

/// Decodes a struct vfio_region_info with its capability chain. The walk is bounded: offsets must grow, lie behind the
/// fixed part and within the buffer; what does not is a problem of the region. Error: Kernel, for a buffer that is too
/// short. Source: include/uapi/linux/vfio.h.
sysfs::Result<Region> parse_region_info(unsigned index, std::span<const std::byte> info);

/// Decodes a struct vfio_irq_info. Error: Kernel.
sysfs::Result<Irq> parse_irq_info(unsigned index, std::span<const std::byte> info);

/// The rule for user space: without the MMAP flag nothing; with a sparse capability only its areas that are not empty,
/// and nothing when there are none; else the whole region.
Mappable mappable(const Region& region);

/// "bar0".. "bar5", "rom", "config", "vga", "device_9"...
std::string region_name(unsigned index);
/// "intx", "msi", "msix", "err", "req".
std::string irq_name(unsigned index);
/// "sparse_mmap", "type", "msix_mappable", "nvlink2_ssatgt", "nvlink2_lnkspd", or "unknown".
std::string_view region_capability_name(std::uint16_t id);

/// Names of the bits that are set, unknown ones as "bit_N".
std::vector<std::string> region_flag_names(std::uint32_t flags);
std::vector<std::string> irq_flag_names(std::uint32_t flags);
std::vector<std::string> device_flag_names(std::uint32_t flags);

}  // namespace devbindd::vfio
