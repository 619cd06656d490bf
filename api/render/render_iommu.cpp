// SPDX-License-Identifier: Apache-2.0
#include "api/render/render_iommu.hpp"

#include <array>
#include <cinttypes>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "api/http/text_table.hpp"
#include "api/render/render_firmware.hpp"
#include "handoff/journal/json_values.hpp"

namespace devbindd::api {
namespace {

using handoff::hex_or_null;
using handoff::or_null;
using nlohmann::json;

// The members of both structures are named as they are shown.
json render_capabilities(const sysfs::IntelCapabilities& capabilities) {
  return {{"domains", or_null(capabilities.domains)},
          {"advanced_fault_logging", capabilities.advanced_fault_logging},
          {"write_buffer_flush", capabilities.write_buffer_flush},
          {"protected_low_memory", capabilities.protected_low_memory},
          {"protected_high_memory", capabilities.protected_high_memory},
          {"caching_mode", capabilities.caching_mode},
          {"address_widths", capabilities.address_widths},
          {"max_address_width", capabilities.max_address_width},
          {"zero_length_read", capabilities.zero_length_read},
          {"fault_register_offset", capabilities.fault_register_offset},
          {"second_stage_2m_pages", capabilities.second_stage_2m_pages},
          {"second_stage_1g_pages", capabilities.second_stage_1g_pages},
          {"page_selective_invalidation", capabilities.page_selective_invalidation},
          {"fault_registers", capabilities.fault_registers},
          {"max_address_mask", capabilities.max_address_mask},
          {"write_draining", capabilities.write_draining},
          {"read_draining", capabilities.read_draining},
          {"first_stage_1g_pages", capabilities.first_stage_1g_pages},
          {"posted_interrupts", capabilities.posted_interrupts},
          {"first_stage_5_levels", capabilities.first_stage_5_levels},
          {"enhanced_commands", capabilities.enhanced_commands},
          {"set_interrupt_table_invalidates", capabilities.set_interrupt_table_invalidates},
          {"set_root_table_invalidates", capabilities.set_root_table_invalidates},
          {"coherent", capabilities.coherent},
          {"queued_invalidation", capabilities.queued_invalidation},
          {"device_tlb", capabilities.device_tlb},
          {"interrupt_remapping", capabilities.interrupt_remapping},
          {"extended_interrupt_mode", capabilities.extended_interrupt_mode},
          {"pass_through", capabilities.pass_through},
          {"snoop_control", capabilities.snoop_control},
          {"iotlb_register_offset", capabilities.iotlb_register_offset},
          {"max_handle_mask", capabilities.max_handle_mask},
          {"extended_context", capabilities.extended_context},
          {"memory_type", capabilities.memory_type},
          {"nested", capabilities.nested},
          {"page_requests", capabilities.page_requests},
          {"execute_requests", capabilities.execute_requests},
          {"supervisor_requests", capabilities.supervisor_requests},
          {"no_write_flag", capabilities.no_write_flag},
          {"extended_accessed_flag", capabilities.extended_accessed_flag},
          {"process_address_spaces", capabilities.process_address_spaces},
          {"pasid_bits", or_null(capabilities.pasid_bits)},
          {"device_tlb_throttling", capabilities.device_tlb_throttling},
          {"page_request_drain", capabilities.page_request_drain},
          {"scalable_mode", capabilities.scalable_mode},
          {"virtual_command", capabilities.virtual_command},
          {"second_stage_accessed_dirty", capabilities.second_stage_accessed_dirty},
          {"second_stage", capabilities.second_stage},
          {"first_stage", capabilities.first_stage},
          {"scalable_walk_coherent", capabilities.scalable_walk_coherent},
          {"rid_pasid", capabilities.rid_pasid},
          {"performance_monitoring", capabilities.performance_monitoring}};
}

json render_features(const sysfs::AmdFeatures& features) {
  return {{"prefetch", features.prefetch},
          {"page_requests", features.page_requests},
          {"x2apic", features.x2apic},
          {"no_execute", features.no_execute},
          {"guest_translation", features.guest_translation},
          {"guest_physical_interrupts", features.guest_physical_interrupts},
          {"invalidate_all", features.invalidate_all},
          {"guest_apic", features.guest_apic},
          {"hardware_error_registers", features.hardware_error_registers},
          {"performance_counters", features.performance_counters},
          {"host_levels", or_null(features.host_levels)},
          {"guest_levels", or_null(features.guest_levels)},
          {"guest_cr3_levels", or_null(features.guest_cr3_levels)},
          {"smi_filter", features.smi_filter},
          {"smi_filter_registers", features.smi_filter_registers},
          {"guest_virtual_apic", features.guest_virtual_apic},
          {"dual_page_request_log", features.dual_page_request_log},
          {"dual_event_log", features.dual_event_log},
          {"secure_ats", features.secure_ats},
          {"pasid_bits", features.pasid_bits},
          {"user_supervisor", features.user_supervisor},
          {"device_table_segments", features.device_table_segments},
          {"page_request_overflow_early", features.page_request_overflow_early},
          {"page_request_auto_response", features.page_request_auto_response},
          {"memory_access_routing", features.memory_access_routing},
          {"block_stop_mark", features.block_stop_mark},
          {"performance_optimization", features.performance_optimization},
          {"msi_capability_mmio", features.msi_capability_mmio},
          {"guest_io_protection", features.guest_io_protection},
          {"host_accessed", features.host_accessed},
          {"enhanced_page_requests", features.enhanced_page_requests},
          {"attribute_forward", features.attribute_forward},
          {"host_dirty", features.host_dirty},
          {"invalidate_iotlb_type", features.invalidate_iotlb_type},
          {"virtual_iommu", features.virtual_iommu},
          {"guest_apic_update_disable", features.guest_apic_update_disable},
          {"force_physical_destination", features.force_physical_destination},
          {"secure_nested_paging", features.secure_nested_paging},
          {"trusted_io", features.trusted_io},
          {"guest_cr3_root_mode", features.guest_cr3_root_mode},
          {"snp_virtual_apic", features.snp_virtual_apic},
          {"remap_2048_interrupts", features.remap_2048_interrupts}};
}

json render_intel(const std::optional<sysfs::IntelFacts>& intel) {
  if (!intel) return nullptr;
  return {{"address", hex_or_null(intel->address)},
          {"version", or_null(intel->version)},
          {"cap", hex_or_null(intel->cap)},
          {"ecap", hex_or_null(intel->ecap)},
          {"domains_supported", or_null(intel->domains_supported)},
          {"domains_used", or_null(intel->domains_used)},
          {"capabilities", intel->capabilities ? render_capabilities(*intel->capabilities) : json(nullptr)}};
}

json render_amd(const std::optional<sysfs::AmdFacts>& amd) {
  if (!amd) return nullptr;
  return {{"cap", hex_or_null(amd->cap)},
          {"efr", hex_or_null(amd->efr)},
          {"efr2", hex_or_null(amd->efr2)},
          {"features", amd->features ? render_features(*amd->features) : json(nullptr)}};
}

json answer(sysfs::Answer answer) {
  switch (answer) {
    case sysfs::Answer::Yes: return true;
    case sysfs::Answer::No: return false;
    case sysfs::Answer::Unknown: return nullptr;
  }
  return nullptr;
}

}  // namespace

json render_iommu_unit(const sysfs::IommuUnit& unit) {
  json devices = json::array();
  for (const auto& address : unit.devices) devices.push_back(sysfs::to_string(address));
  return {{"name", unit.name},
          {"kind", sysfs::name_of(unit.kind)},
          {"devices", std::move(devices)},
          {"other_devices", unit.other_devices},
          {"intel", render_intel(unit.intel)},
          {"amd", render_amd(unit.amd)}};
}

json render_iommu_state(const sysfs::IommuState& state, const sysfs::RemappingFinding& remapping) {
  json parameters = json::array();
  for (const auto& parameter : state.parameters) parameters.push_back(sysfs::to_string(parameter));
  return {{"on", state.translates},
          {"why_off", state.why_off.empty() ? json(nullptr) : json(state.why_off)},
          {"interrupt_remapping", answer(state.interrupt_remapping)},
          {"interrupt_remapping_mode", remapping.mode ? json(sysfs::name_of(*remapping.mode)) : json(nullptr)},
          {"interrupt_remapping_source", remapping.source},
          {"default_domains", state.domain_types.empty() ? json::object() : json(state.domain_types)},
          {"no_iommu_groups", state.no_iommu_groups},
          {"firmware_tables", state.firmware_tables},
          {"kernel_parameters", std::move(parameters)}};
}

std::string iommu_text(const json& document) {
  const auto& state = document["translation"];
  std::string text = "translation: " + std::string(state["on"] ? "on" : "off");
  if (!state["why_off"].is_null()) text += " (" + plain(state["why_off"]) + ")";
  const auto& remapping = state["interrupt_remapping"];
  text += "; interrupt remapping: " + std::string(remapping.is_null() ? "unknown" : remapping ? "on" : "off") + "\n";
  const auto firmware = firmware_text(document);
  if (document["items"].empty()) return text + firmware;
  static const std::vector<Column> columns = {{"UNIT", [](const json& unit) { return plain(unit["name"]); }},
                                              {"KIND", [](const json& unit) { return plain(unit["kind"]); }},
                                              {"ADDRESS WIDTHS",
                                               [](const json& unit) {
                                                 const auto& intel = unit["intel"];
                                                 return intel.is_null() || intel["capabilities"].is_null()
                                                            ? ""
                                                            : plain(intel["capabilities"]["address_widths"]);
                                               }},
                                              {"DEVICES", [](const json& unit) { return plain(unit["devices"]); }}};
  return text + text_table(columns, document["items"]) + firmware;
}

}  // namespace devbindd::api
