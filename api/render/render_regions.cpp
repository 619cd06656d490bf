// SPDX-License-Identifier: Apache-2.0
#include "api/render/render_regions.hpp"

#include <array>
#include <cinttypes>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "handoff/journal/json_values.hpp"
#include "sysfs/kernel/pci_address.hpp"

namespace devbindd::api {
namespace {

using handoff::hex_text;
using handoff::or_null;
using nlohmann::json;

json errno_or_null(int errno_value) { return errno_value == 0 ? json(nullptr) : json(sysfs::errno_name(errno_value)); }

json areas_json(const std::vector<vfio::SparseArea>& areas) {
  json list = json::array();
  for (const auto& area : areas) list.push_back({{"offset", hex_text(area.offset)}, {"size", area.size}});
  return list;
}

json capability_json(const vfio::RegionCapability& capability) {
  json document = {{"id", capability.id},
                   {"name", vfio::region_capability_name(capability.id)},
                   {"version", capability.version},
                   {"length", capability.length}};
  if (capability.id == vfio::capability_sparse_mmap) document["areas"] = areas_json(capability.areas);
  if (capability.type) document["type"] = hex_text(*capability.type);
  if (capability.subtype) document["subtype"] = hex_text(*capability.subtype);
  return document;
}

json table_json(const std::optional<vfio::MsixTable>& table) {
  if (!table) return nullptr;
  return {{"region", table->bar}, {"offset", hex_text(table->offset)}, {"size", table->size}};
}

json neighbour_json(const vfio::ResetNeighbour& neighbour, bool by_device_id) {
  const sysfs::PciAddress address{neighbour.segment, neighbour.bus, neighbour.slot, neighbour.function};
  return {{"address", sysfs::to_string(address)},
          {by_device_id ? "device_id" : "iommu_group", neighbour.group_or_device}};
}

json page_sizes_json(const std::optional<std::uint64_t>& bitmap) {
  if (!bitmap) return nullptr;
  json sizes = json::array();
  for (unsigned bit = 0; bit < 64; ++bit) {
    if ((*bitmap >> bit & 1U) != 0) sizes.push_back(hex_text(std::uint64_t{1} << bit));
  }
  return sizes;
}

// include/uapi/linux/iommufd.h, enum iommu_hw_info_type
json hardware_json(const std::optional<std::uint32_t>& type) {
  if (!type) return nullptr;
  switch (*type) {
    case 0: return "unknown";
    case 1: return "intel_vtd";
    case 2: return "arm_smmuv3";
    case 3: return "tegra241_cmdqv";
    case 4: return "amd";
    default: return "type_" + std::to_string(*type);
  }
}

// VFIO_GROUP_FLAGS_VIABLE, VFIO_GROUP_FLAGS_CONTAINER_SET
json group_flag_names(std::uint32_t flags) {
  json names = json::array();
  if ((flags & 1U) != 0) names.push_back("viable");
  if ((flags & 2U) != 0) names.push_back("container_set");
  return names;
}

}  // namespace

json render_iommu(const vfio::IommuInfo& iommu) {
  json ranges = json::array();
  for (const auto& range : iommu.iova_ranges) {
    ranges.push_back({{"start", hex_text(range.offset)}, {"end", hex_text(range.offset + range.size - 1)}});
  }
  return {{"page_sizes", page_sizes_json(iommu.page_sizes)},
          {"iova_ranges", std::move(ranges)},
          {"iova_alignment", or_null(iommu.alignment)},
          {"dma_mappings_available", or_null(iommu.dma_available)},
          {"hardware", hardware_json(iommu.hardware_type)},
          {"dirty_tracking", iommu.capabilities ? json((*iommu.capabilities & 1U) != 0) : json(nullptr)}};
}

json render_regions(const std::vector<vfio::Region>& regions, std::string_view source) {
  json list = json::array();
  for (const auto& region : regions) {
    json capabilities = json::array();
    for (const auto& capability : region.capabilities) capabilities.push_back(capability_json(capability));
    const auto mappable = vfio::mappable(region);
    list.push_back({{"index", region.index},
                    {"name", vfio::region_name(region.index)},
                    {"present", region.present},
                    {"errno", errno_or_null(region.errno_value)},
                    {"size", region.size},
                    {"offset", hex_text(region.offset)},
                    {"flags", vfio::region_flag_names(region.flags)},
                    {"flags_value", hex_text(region.flags)},
                    {"capabilities", std::move(capabilities)},
                    {"mappable", {{"areas", areas_json(mappable.areas)}, {"reason", mappable.reason}}},
                    {"problems", region.problems},
                    {"source", source}});
  }
  return list;
}

json render_irqs(const std::vector<vfio::Irq>& irqs, std::string_view source) {
  json list = json::array();
  for (const auto& irq : irqs) {
    list.push_back({{"index", irq.index},
                    {"name", vfio::irq_name(irq.index)},
                    {"present", irq.present},
                    {"errno", errno_or_null(irq.errno_value)},
                    {"count", irq.count},
                    {"flags", vfio::irq_flag_names(irq.flags)},
                    {"flags_value", hex_text(irq.flags)},
                    {"source", source}});
  }
  return list;
}

json render_msix(const vfio::PassiveReport& report) {
  if (!report.msix_table) return nullptr;
  return {{"table", table_json(report.msix_table)}, {"pending", table_json(report.msix_pending)}};
}

json render_probe(const vfio::ProbeReport& report) {
  json neighbours = json::array();
  for (const auto& neighbour : report.reset_neighbours) {
    neighbours.push_back(neighbour_json(neighbour, report.reset_by_device_id));
  }
  json features = json::array();
  for (const auto& feature : report.features) {
    features.push_back({{"index", feature.index},
                        {"name", vfio::feature_name(feature.index)},
                        {"get", feature.get},
                        {"set", feature.set}});
  }
  return {{"device_flags", vfio::device_flag_names(report.device_flags)},
          {"device_flags_value", hex_text(report.device_flags)},
          {"region_count", report.region_count},
          {"irq_count", report.irq_count},
          {"group_flags", report.group_flags ? group_flag_names(*report.group_flags) : json(nullptr)},
          {"group_flags_value", report.group_flags ? json(hex_text(*report.group_flags)) : json(nullptr)},
          {"hot_reset", {{"errno", errno_or_null(report.reset_errno)}, {"devices", std::move(neighbours)}}},
          {"features", std::move(features)},
          {"migration_flags", report.migration_flags ? json(hex_text(*report.migration_flags)) : json(nullptr)},
          {"iommu", report.iommu ? render_iommu(*report.iommu) : json(nullptr)}};
}

}  // namespace devbindd::api
