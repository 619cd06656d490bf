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

/// What the container's IOMMU can map; only by the group way.
struct IommuInfo {
  std::uint64_t page_sizes = 0;                ///< bitmap of bytes
  std::vector<SparseArea> iova_ranges;         ///< usable I/O addresses
  std::optional<std::uint32_t> dma_available;  ///< mappings that are left
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
};

/// Error: Kernel, for answers that do not fit their structures.
sysfs::Result<ProbeReport> parse_probe(const std::vector<RawAnswer>& answers);

/// "vf_token", "migration", ... or "feature_N".
std::string feature_name(unsigned index);

}  // namespace devbindd::vfio
