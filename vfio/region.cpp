// SPDX-License-Identifier: Apache-2.0
#include "vfio/region.hpp"

#include <algorithm>
#include <array>
#include <cstring>

namespace devbindd::vfio {
namespace {

// struct vfio_region_info: argsz, flags, index, cap_offset (u32), size, offset (u64)
constexpr std::size_t region_info_size = 32;
// struct vfio_irq_info: argsz, flags, index, count (u32)
constexpr std::size_t irq_info_size = 16;
// struct vfio_info_cap_header: id, version (u16), next (u32)
constexpr std::size_t header_size = 8;
constexpr std::size_t max_links = 64;

template <class Number>
Number at(std::span<const std::byte> bytes, std::size_t offset) {
  Number value{};
  std::memcpy(&value, bytes.data() + offset, sizeof value);
  return value;
}

bool fits(std::span<const std::byte> bytes, std::size_t offset, std::size_t size) {
  return offset <= bytes.size() && size <= bytes.size() - offset;
}

std::unexpected<sysfs::Error> too_short(std::string_view what) {
  return sysfs::fail(sysfs::ErrorCode::Kernel, "the kernel's " + std::string(what) + " is shorter than its fixed part");
}

// struct vfio_region_info_cap_sparse_mmap: header, nr_areas, reserved (u32), areas of offset and size (u64)
void parse_sparse(std::span<const std::byte> info, std::size_t start, RegionCapability& capability, Region& region) {
  if (!fits(info, start + header_size, 8))
    return region.problems.emplace_back("the sparse mmap capability is cut off"), void();
  const auto count = at<std::uint32_t>(info, start + header_size);
  for (std::uint32_t area = 0; area < count; ++area) {
    const auto offset = start + header_size + 8 + std::size_t{area} * 16;
    if (!fits(info, offset, 16)) {
      region.problems.push_back("the sparse mmap capability has fewer areas than it says (" + std::to_string(count) +
                                ")");
      return;
    }
    capability.areas.push_back({at<std::uint64_t>(info, offset), at<std::uint64_t>(info, offset + 8)});
  }
}

void parse_capability(std::span<const std::byte> info, std::size_t start, std::size_t end, Region& region) {
  RegionCapability capability;
  capability.id = at<std::uint16_t>(info, start);
  capability.version = at<std::uint16_t>(info, start + 2);
  capability.length = end - start - header_size;
  if (capability.id == capability_sparse_mmap) parse_sparse(info, start, capability, region);
  if (capability.id == capability_type && fits(info, start + header_size, 8)) {
    capability.type = at<std::uint32_t>(info, start + header_size);
    capability.subtype = at<std::uint32_t>(info, start + header_size + 4);
  }
  region.capabilities.push_back(std::move(capability));
}

void walk_capabilities(std::span<const std::byte> info, std::uint32_t first, Region& region) {
  std::size_t offset = first;
  if (first == 0) region.problems.emplace_back("the kernel announces capabilities and gives none: they did not fit");
  std::size_t least = region_info_size;
  for (std::size_t link = 0; offset != 0; ++link) {
    if (link == max_links || offset < least || !fits(info, offset, header_size)) {
      region.problems.push_back("the capability chain leads to offset " + std::to_string(offset) +
                                ", where no capability can be");
      return;
    }
    const std::size_t next = at<std::uint32_t>(info, offset + 4);
    parse_capability(info, offset, next >= offset + header_size ? std::min(next, info.size()) : info.size(), region);
    least = offset + header_size;
    offset = next;
  }
}

template <std::size_t Size>
std::vector<std::string> flag_names(std::uint32_t flags, const std::array<std::string_view, Size>& names) {
  std::vector<std::string> set;
  for (unsigned bit = 0; bit < 32; ++bit) {
    if ((flags >> bit & 1U) == 0) continue;
    set.push_back(bit < Size ? std::string(names[bit]) : "bit_" + std::to_string(bit));
  }
  return set;
}

}  // namespace

sysfs::Result<Region> parse_region_info(unsigned index, std::span<const std::byte> info) {
  if (info.size() < region_info_size) return too_short("region information");
  Region region;
  region.index = index;
  region.flags = at<std::uint32_t>(info, 4);
  region.size = at<std::uint64_t>(info, 16);
  region.offset = at<std::uint64_t>(info, 24);
  if ((region.flags & region_has_capabilities) != 0) walk_capabilities(info, at<std::uint32_t>(info, 12), region);
  return region;
}

sysfs::Result<Irq> parse_irq_info(unsigned index, std::span<const std::byte> info) {
  if (info.size() < irq_info_size) return too_short("IRQ information");
  Irq irq;
  irq.index = index;
  irq.flags = at<std::uint32_t>(info, 4);
  irq.count = at<std::uint32_t>(info, 12);
  return irq;
}

Mappable mappable(const Region& region) {
  if (!region.present || region.size == 0) return {{}, "the region is absent"};
  if ((region.flags & region_mappable) == 0)
    return {{}, "the kernel gives the region no MMAP flag: read and write it instead"};
  const auto sparse = std::ranges::find(region.capabilities, capability_sparse_mmap, &RegionCapability::id);
  if (sparse == region.capabilities.end() && !region.problems.empty())
    return {{}, "the capability chain is broken: it may have limited what can be mapped"};
  if (sparse == region.capabilities.end()) return {{{0, region.size}}, "the whole region"};
  Mappable result{{}, "only the areas of the sparse mmap capability"};
  for (const auto& area : sparse->areas) {
    if (area.size > 0 && area.offset < region.size && area.size <= region.size - area.offset)
      result.areas.push_back(area);
  }
  if (result.areas.empty()) {
    result.reason =
        "the sparse mmap capability names no area: no part may be mapped, and mapping the whole region fails";
  }
  return result;
}

std::string region_name(unsigned index) {
  if (index < 6) return "bar" + std::to_string(index);
  if (index == 6) return "rom";
  if (index == 7) return "config";
  if (index == 8) return "vga";
  return "device_" + std::to_string(index);
}

std::string irq_name(unsigned index) {
  constexpr std::array<std::string_view, 5> names = {"intx", "msi", "msix", "err", "req"};
  return index < names.size() ? std::string(names[index]) : "device_" + std::to_string(index);
}

std::string_view region_capability_name(std::uint16_t id) {
  switch (id) {
    case capability_sparse_mmap: return "sparse_mmap";
    case capability_type: return "type";
    case capability_msix_mappable: return "msix_mappable";
    case 4: return "nvlink2_ssatgt";
    case 5: return "nvlink2_lnkspd";
    default: return "unknown";
  }
}

std::vector<std::string> region_flag_names(std::uint32_t flags) {
  return flag_names(flags, std::array<std::string_view, 4>{"read", "write", "mmap", "caps"});
}

std::vector<std::string> irq_flag_names(std::uint32_t flags) {
  return flag_names(flags, std::array<std::string_view, 4>{"eventfd", "maskable", "automasked", "noresize"});
}

std::vector<std::string> device_flag_names(std::uint32_t flags) {
  return flag_names(
      flags, std::array<std::string_view, 9>{"reset", "pci", "platform", "amba", "ccw", "ap", "fsl_mc", "caps", "cdx"});
}

}  // namespace devbindd::vfio
