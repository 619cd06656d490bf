// SPDX-License-Identifier: Apache-2.0
#include "sysfs/iommu/iommu_unit.hpp"

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <utility>

#include "sysfs/kernel/fields.hpp"
#include "sysfs/kernel/paths.hpp"

namespace devbindd::sysfs {
namespace {

const std::string units_path = "sys/class/iommu";

constexpr bool bit(std::uint64_t raw, unsigned position) { return ((raw >> position) & 1U) != 0; }
constexpr unsigned part(std::uint64_t raw, unsigned low, unsigned width) {
  return static_cast<unsigned>((raw >> low) & ((1ULL << width) - 1U));
}

template <class Number>
std::optional<Number> number_in(const Tree& tree, const std::string& path, int base) {
  const auto text = tree.read(path);
  return text ? number_from<Number>(*text, base) : std::nullopt;
}

bool is_numbered(std::string_view name, std::string_view prefix) {
  if (!name.starts_with(prefix) || name.size() == prefix.size()) return false;
  return std::ranges::all_of(name.substr(prefix.size()), [](unsigned char c) { return std::isdigit(c) != 0; });
}

// The virtio driver calls its unit as the bus calls the device, which may be anything: its driver tells.
bool is_virtio(const Tree& tree, const std::string& name) {
  if (name.starts_with("virtio")) return true;
  const auto driver = link_name(tree, units_path + "/" + name + "/device/driver");
  return driver && *driver == "virtio_iommu";
}

// The names are the format strings of each driver's iommu_device_sysfs_add().
IommuKind kind_of(const Tree& tree, const std::string& name) {
  if (is_numbered(name, "dmar")) return IommuKind::Intel;
  if (is_numbered(name, "ivhd")) return IommuKind::Amd;
  if (name.starts_with("smmu3.")) return IommuKind::SmmuV3;
  if (name.starts_with("smmu.")) return IommuKind::Smmu;
  if (name.starts_with("riscv-iommu")) return IommuKind::RiscV;
  if (name.starts_with("s390-iommu")) return IommuKind::S390;
  return is_virtio(tree, name) ? IommuKind::Virtio : IommuKind::Other;
}

// "1:0", and nothing else.
std::optional<std::string> version_in(const Tree& tree, const std::string& path) {
  auto text = tree.read(path);
  if (!text) return std::nullopt;
  const auto colon = text->find(':');
  if (colon == std::string::npos) return std::nullopt;
  const std::string_view whole = *text;
  if (!number_from<unsigned>(whole.substr(0, colon), 10) || !number_from<unsigned>(whole.substr(colon + 1), 10)) {
    return std::nullopt;
  }
  return std::move(*text);
}

IntelFacts read_intel(const Tree& tree, const std::string& unit) {
  const auto path = unit + "/intel-iommu/";
  IntelFacts facts;
  facts.address = number_in<std::uint64_t>(tree, path + "address", 16);
  facts.version = version_in(tree, path + "version");
  facts.cap = number_in<std::uint64_t>(tree, path + "cap", 16);
  facts.ecap = number_in<std::uint64_t>(tree, path + "ecap", 16);
  facts.domains_supported = number_in<unsigned>(tree, path + "domains_supported", 10);
  facts.domains_used = number_in<unsigned>(tree, path + "domains_used", 10);
  if (facts.cap && facts.ecap) facts.capabilities = decode_intel(*facts.cap, *facts.ecap);
  return facts;
}

// "EFR", "EFR:EFR2", or "EFR2:EFR" on the kernels that printed the second register first (up to 6.6). EFR always has
// bits above all of EFR2's, so the larger number is EFR.
void read_features(const Tree& tree, const std::string& path, AmdFacts& facts) {
  const auto text = tree.read(path);
  if (!text) return;
  const std::string_view whole = *text;
  const auto colon = whole.find(':');
  auto first = number_from<std::uint64_t>(whole.substr(0, colon), 16);
  if (!first) return;
  if (colon != std::string_view::npos) {
    auto second = number_from<std::uint64_t>(whole.substr(colon + 1), 16);
    if (!second) return;
    facts.efr2 = std::min(*first, *second);
    first = std::max(*first, *second);
  }
  facts.efr = first;
  facts.features = decode_amd(*first, facts.efr2.value_or(0));
}

AmdFacts read_amd(const Tree& tree, const std::string& unit) {
  AmdFacts facts;
  facts.cap = number_in<std::uint32_t>(tree, unit + "/amd-iommu/cap", 16);
  read_features(tree, unit + "/amd-iommu/features", facts);
  return facts;
}

void read_devices(const Tree& tree, const std::string& path, IommuUnit& unit) {
  const auto names = tree.list(path + "/devices");
  if (!names) return;
  for (const auto& name : *names) {
    if (const auto address = parse_pci_address(name)) {
      unit.devices.push_back(*address);
    } else {
      unit.other_devices.push_back(name);
    }
  }
  std::ranges::sort(unit.devices);
}

IommuUnit read_unit(const Tree& tree, const std::string& name) {
  const auto path = units_path + "/" + name;
  IommuUnit unit;
  unit.name = name;
  unit.kind = kind_of(tree, name);
  read_devices(tree, path, unit);
  if (unit.kind == IommuKind::Intel) unit.intel = read_intel(tree, path);
  if (unit.kind == IommuKind::Amd) unit.amd = read_amd(tree, path);
  return unit;
}

// 4, 5 or 6 levels; the fourth encoding is reserved.
std::optional<unsigned> levels(unsigned encoded, unsigned least) {
  return encoded == 3 ? std::nullopt : std::optional(least + encoded);
}

void decode_cap(std::uint64_t cap, IntelCapabilities& out) {
  if (const auto encoded = part(cap, 0, 3); encoded != 7) out.domains = 1U << (4 + 2 * encoded);
  out.advanced_fault_logging = bit(cap, 3);
  out.write_buffer_flush = bit(cap, 4);
  out.protected_low_memory = bit(cap, 5);
  out.protected_high_memory = bit(cap, 6);
  out.caching_mode = bit(cap, 7);
  // Bit n of SAGAW stands for n + 2 levels of 9 bits above the page; its bits 0 and 4 are reserved.
  for (const unsigned width : {39U, 48U, 57U}) {
    if (bit(cap, 8 + (width - 30) / 9)) out.address_widths.push_back(width);
  }
  out.max_address_width = part(cap, 16, 6) + 1;
  out.zero_length_read = bit(cap, 22);
  out.fault_register_offset = part(cap, 24, 10) * 16;
  out.second_stage_2m_pages = bit(cap, 34);
  out.second_stage_1g_pages = bit(cap, 35);
  out.page_selective_invalidation = bit(cap, 39);
  out.fault_registers = part(cap, 40, 8) + 1;
  out.max_address_mask = part(cap, 48, 6);
  out.write_draining = bit(cap, 54);
  out.read_draining = bit(cap, 55);
  out.first_stage_1g_pages = bit(cap, 56);
  out.posted_interrupts = bit(cap, 59);
  out.first_stage_5_levels = bit(cap, 60);
  out.enhanced_commands = bit(cap, 61);
  out.set_interrupt_table_invalidates = bit(cap, 62);
  out.set_root_table_invalidates = bit(cap, 63);
}

void decode_ecap(std::uint64_t ecap, IntelCapabilities& out) {
  out.coherent = bit(ecap, 0);
  out.queued_invalidation = bit(ecap, 1);
  out.device_tlb = bit(ecap, 2);
  out.interrupt_remapping = bit(ecap, 3);
  out.extended_interrupt_mode = bit(ecap, 4);
  out.pass_through = bit(ecap, 6);
  out.snoop_control = bit(ecap, 7);
  out.iotlb_register_offset = part(ecap, 8, 10) * 16;
  out.max_handle_mask = part(ecap, 20, 4);
  out.extended_context = bit(ecap, 24);
  out.memory_type = bit(ecap, 25);
  out.nested = bit(ecap, 26);
  out.page_requests = bit(ecap, 29);
  out.execute_requests = bit(ecap, 30);
  out.supervisor_requests = bit(ecap, 31);
  out.no_write_flag = bit(ecap, 33);
  out.extended_accessed_flag = bit(ecap, 34);
  out.process_address_spaces = bit(ecap, 40);
  if (out.process_address_spaces) out.pasid_bits = part(ecap, 35, 5) + 1;
  out.device_tlb_throttling = bit(ecap, 41);
  out.page_request_drain = bit(ecap, 42);
  out.scalable_mode = bit(ecap, 43);
  out.virtual_command = bit(ecap, 44);
  out.second_stage_accessed_dirty = bit(ecap, 45);
  out.second_stage = bit(ecap, 46);
  out.first_stage = bit(ecap, 47);
  out.scalable_walk_coherent = bit(ecap, 48);
  out.rid_pasid = bit(ecap, 49);
  out.performance_monitoring = bit(ecap, 51);
}

void decode_translation(std::uint64_t efr, AmdFeatures& out) {
  out.prefetch = bit(efr, 0);
  out.page_requests = bit(efr, 1);
  out.x2apic = bit(efr, 2);
  out.no_execute = bit(efr, 3);
  out.guest_translation = bit(efr, 4);
  out.guest_physical_interrupts = bit(efr, 5);
  out.invalidate_all = bit(efr, 6);
  out.guest_apic = bit(efr, 7);
  out.hardware_error_registers = bit(efr, 8);
  out.performance_counters = bit(efr, 9);
  out.host_levels = levels(part(efr, 10, 2), 4);
  out.guest_levels = levels(part(efr, 12, 2), 4);
  out.guest_cr3_levels = levels(part(efr, 14, 2), 1);
  out.smi_filter = part(efr, 16, 2);
  out.smi_filter_registers = part(efr, 18, 3);
  out.guest_virtual_apic = bit(efr, 21);
  out.dual_page_request_log = part(efr, 24, 2);
  out.dual_event_log = part(efr, 28, 2);
  out.secure_ats = bit(efr, 31);
}

void decode_upper_half(std::uint64_t efr, AmdFeatures& out) {
  out.pasid_bits = part(efr, 32, 5) + 1;
  out.user_supervisor = bit(efr, 37);
  out.device_table_segments = 1U << part(efr, 38, 2);
  out.page_request_overflow_early = bit(efr, 40);
  out.page_request_auto_response = bit(efr, 41);
  out.memory_access_routing = part(efr, 42, 2);
  out.block_stop_mark = bit(efr, 44);
  out.performance_optimization = bit(efr, 45);
  out.msi_capability_mmio = bit(efr, 46);
  out.guest_io_protection = bit(efr, 48);
  out.host_accessed = bit(efr, 49);
  out.enhanced_page_requests = bit(efr, 50);
  out.attribute_forward = bit(efr, 51);
  out.host_dirty = bit(efr, 52);
  out.invalidate_iotlb_type = bit(efr, 54);
  out.virtual_iommu = bit(efr, 55);
  out.guest_apic_update_disable = bit(efr, 61);
  out.force_physical_destination = bit(efr, 62);
  out.secure_nested_paging = bit(efr, 63);
}

}  // namespace

std::string_view name_of(IommuKind kind) {
  switch (kind) {
    case IommuKind::Intel: return "intel";
    case IommuKind::Amd: return "amd";
    case IommuKind::Smmu: return "smmu";
    case IommuKind::SmmuV3: return "smmu_v3";
    case IommuKind::Virtio: return "virtio";
    case IommuKind::RiscV: return "riscv";
    case IommuKind::S390: return "s390";
    case IommuKind::Other: break;
  }
  return "other";
}

GroupTime group_time(const Tree& tree) {
  const auto names = tree.list(units_path).value_or(std::vector<std::string>{});
  if (names.empty()) return GroupTime::Never;
  const auto knows_all = [](const std::string& name) { return is_numbered(name, "dmar") || is_numbered(name, "ivhd"); };
  return std::ranges::all_of(names, knows_all) ? GroupTime::WhenFound : GroupTime::AtFirstDriver;
}

IntelCapabilities decode_intel(std::uint64_t cap, std::uint64_t ecap) {
  IntelCapabilities capabilities;
  decode_cap(cap, capabilities);
  decode_ecap(ecap, capabilities);
  return capabilities;
}

AmdFeatures decode_amd(std::uint64_t efr, std::uint64_t efr2) {
  AmdFeatures features;
  decode_translation(efr, features);
  decode_upper_half(efr, features);
  features.trusted_io = bit(efr2, 1);
  features.guest_cr3_root_mode = bit(efr2, 3);
  features.snp_virtual_apic = part(efr2, 5, 3) == 1;
  features.remap_2048_interrupts = part(efr2, 8, 2) == 1;
  return features;
}

Result<std::vector<IommuUnit>> list_iommu_units(const Tree& tree) {
  auto names = tree.list(units_path);
  if (!names) {
    if (names.error().errno_value == ENOENT) return std::vector<IommuUnit>{};
    return std::unexpected(names.error());
  }
  std::ranges::sort(*names, {}, [](const std::string& name) { return std::pair(name.size(), name); });
  std::vector<IommuUnit> units;
  for (const auto& name : *names) units.push_back(read_unit(tree, name));
  return units;
}

}  // namespace devbindd::sysfs
