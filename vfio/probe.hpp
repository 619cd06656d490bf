// SPDX-License-Identifier: Apache-2.0
// The active probe: opens a device through VFIO and asks the kernel what it offers. Opening resets the function, and so
// does closing: only for idle devices, only in worker processes, only when asked for. The asking (probe) and the
// understanding (parse_probe) are apart: the answers travel as bytes from the worker.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "vfio/ioctl.hpp"
#include "vfio/region.hpp"

namespace devbindd::vfio {

/// The two ways into VFIO: a group in a container, or the device's own node with iommufd (kernel 6.6).
enum class ProbeWay { Group, Cdev };

struct ProbeQuery {
  ProbeWay way = ProbeWay::Group;
  std::string address;  ///< sysfs name of the device
  std::string node;     ///< "/dev/vfio/24", "/dev/vfio/noiommu-3" or "/dev/vfio/devices/vfio0"
  bool no_iommu = false;

  bool operator==(const ProbeQuery&) const = default;
};

/// One ioctl's answer as it came: what was asked ("region/3"), the errno (0: none), the bytes.
struct RawAnswer {
  std::string question;
  int errno_value = 0;
  Bytes bytes;

  bool operator==(const RawAnswer&) const = default;
};

/// Opens, asks everything, closes. Error: Kernel with the errno of the step that failed on the way in: EBUSY somebody
/// has the group open; EPERM the group is not viable, or no interrupt remapping; EACCES a VF token is needed; ENODEV no
/// IOMMU backend. Errors of single questions are part of the answers. Source: kernel.md 7.2-7.4;
/// include/uapi/linux/vfio.h.
sysfs::Result<std::vector<RawAnswer>> probe(const Ioctl& ioctl, const ProbeQuery& query);

/// What an IOMMU can map, asked through the group (`way` Group; no device is opened, none is reset) or through a device
/// and iommufd (`way` Cdev; the device is opened, and so reset). Only for idle groups: while it is asked, nobody else
/// can open the group. Errors as probe(). Source: kernel.md 7.2, 7.3.
sysfs::Result<std::vector<RawAnswer>> probe_iommu(const Ioctl& ioctl, const ProbeQuery& query);

/// The same questions for a device that has been bound to an iommufd: its I/O addresses and its IOMMU's registers.
void ask_iommufd(const Ioctl& ioctl, const FileDescriptor& iommufd, const FileDescriptor& device,
                 std::uint32_t device_id, std::vector<RawAnswer>& answers);

/// A device that a hot reset of this one would reset too.
struct ResetNeighbour {
  std::uint32_t group_or_device = 0;  ///< group number, or the iommufd device ID
  std::uint32_t segment = 0;          ///< PCI domain, its low 16 bits
  std::uint8_t bus = 0;
  std::uint8_t slot = 0;
  std::uint8_t function = 0;

  bool operator==(const ResetNeighbour&) const = default;
};

struct DeviceFeature {
  unsigned index = 0;
  bool get = false;
  bool set = false;

  bool operator==(const DeviceFeature&) const = default;
};

/// What the IOMMU can map.
struct IommuInfo {
  std::optional<std::uint64_t> page_sizes;     ///< bitmap of bytes; only by the group way
  std::vector<SparseArea> iova_ranges;         ///< usable I/O addresses; size 0 at offset 0 is the whole 64-bit space
  std::optional<std::uint32_t> dma_available;  ///< mappings that are left; only by the group way
  std::optional<std::uint64_t> alignment;      ///< of I/O addresses, bytes; only by iommufd
  std::optional<std::uint32_t> hardware_type;  ///< 0 unknown, 1 VT-d, 2 SMMUv3, 4 AMD; only by iommufd
  std::optional<std::uint64_t> capabilities;   ///< bit 0: dirty tracking; only by iommufd
};

struct ProbeReport {
  std::uint32_t device_flags = 0;
  unsigned region_count = 0;
  unsigned irq_count = 0;
  std::vector<Region> regions;
  std::vector<Irq> irqs;
  std::vector<ResetNeighbour> reset_neighbours;
  int reset_errno = 0;  ///< ENODEV: neither slot nor bus can be reset
  bool reset_by_device_id = false;
  std::vector<DeviceFeature> features;  ///< those that the device has
  std::optional<std::uint64_t> migration_flags;
  std::optional<IommuInfo> iommu;
  std::optional<std::uint32_t> group_flags;
  std::vector<std::pair<unsigned long, int>> extensions;  ///< number and answer, after SET_IOMMU
};

/// Error: Kernel, for answers that do not fit their structures.
sysfs::Result<ProbeReport> parse_probe(const std::vector<RawAnswer>& answers);

/// "vf_token", "migration", ... or "feature_N".
std::string feature_name(unsigned index);

}  // namespace devbindd::vfio
