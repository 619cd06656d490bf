// SPDX-License-Identifier: Apache-2.0
#include "api/render/render_firmware.hpp"

#include <nlohmann/json.hpp>
#include <set>

#include "handoff/journal/json_values.hpp"

namespace devbindd::api {
namespace {

using handoff::hex_or_null;
using handoff::hex_text;
using handoff::or_null;
using nlohmann::json;

json address_of(const std::optional<sysfs::PciAddress>& address) {
  return address ? json(sysfs::to_string(*address)) : json(nullptr);
}

json text_of(const std::string& text) { return text.empty() ? json(nullptr) : json(text); }

json list_of(const std::vector<sysfs::PciAddress>& addresses) {
  json list = json::array();
  for (const auto& address : addresses) list.push_back(sysfs::to_string(address));
  return list;
}

json render_scope(const sysfs::FirmwareScope& scope, const std::vector<sysfs::DevicePlace>& places) {
  return {{"kind", sysfs::name_of(scope.kind)},
          {"id", or_null(scope.id)},
          {"segment", or_null(scope.segment)},
          {"path", text_of(sysfs::path_text(scope))},
          {"last", address_of(scope.last)},
          {"requester", address_of(scope.requester)},
          {"stream", hex_or_null(scope.stream)},
          {"setting", hex_or_null(scope.setting)},
          {"extended", hex_or_null(scope.extended)},
          {"base", hex_or_null(scope.base)},
          {"name", text_of(scope.name)},
          {"devices", list_of(sysfs::devices_of(scope, places))}};
}

json render_scopes(const std::vector<sysfs::FirmwareScope>& scopes, const std::vector<sysfs::DevicePlace>& places) {
  json list = json::array();
  for (const auto& scope : scopes) list.push_back(render_scope(scope, places));
  return list;
}

json render_structure(const sysfs::FirmwareStructure& structure, const std::vector<sysfs::DevicePlace>& places) {
  json types = json::array();
  for (const auto type : structure.types) types.push_back(hex_text(type));
  return {{"table", structure.table},
          {"kind", structure.kind},
          {"unit", structure.is_unit},
          {"base", hex_or_null(structure.base)},
          {"segment", or_null(structure.segment)},
          {"address", address_of(structure.address)},
          {"flags", hex_or_null(structure.flags)},
          {"takes_rest", structure.takes_rest},
          {"proximity_domain", or_null(structure.proximity_domain)},
          {"types", std::move(types)},
          {"efr", hex_or_null(structure.efr)},
          {"id", or_null(structure.id)},
          {"name", text_of(structure.name)},
          {"scopes", render_scopes(structure.scopes, places)}};
}

json render_memory(const sysfs::FirmwareMemory& memory, const sysfs::IommuFirmware& firmware) {
  const auto devices = sysfs::devices_of(memory.scopes, firmware.places);
  std::set<unsigned> groups;
  for (const auto& address : devices) {
    if (const auto found = firmware.groups.find(address); found != firmware.groups.end()) groups.insert(found->second);
  }
  return {{"table", memory.table},
          {"kind", memory.kind},
          {"start", hex_text(memory.start)},
          {"end", hex_text(memory.end)},
          {"segment", or_null(memory.segment)},
          {"flags", hex_text(memory.flags)},
          {"excluded", memory.excluded},
          {"movable", memory.movable},
          {"scopes", render_scopes(memory.scopes, firmware.places)},
          {"devices", list_of(devices)},
          {"iommu_groups", groups}};
}

json render_problems(const sysfs::TableProblems& problems) {
  json list = json::array();
  for (const auto& problem : problems)
    list.push_back({{"place", hex_text(problem.offset)}, {"detail", problem.detail}});
  return list;
}

// A table that is there, with all members null that it or its kind does not tell.
json blank_table(const std::string& signature, const sysfs::FirmwareLog& log) {
  const auto address = log.table_addresses.find(signature);
  json table = {{"signature", signature},
                {"address", address == log.table_addresses.end() ? json(nullptr) : json(hex_text(address->second))},
                {"error", nullptr},
                {"flags", json::array()},
                {"problems", json::array()}};
  for (const auto* name : {"length", "revision", "oem_id", "oem_table_id", "oem_revision", "creator_id",
                           "creator_revision", "checksum_right", "host_address_width", "virtual_address_width"})
    table[name] = nullptr;
  return table;
}

void put_header(const std::optional<sysfs::AcpiHeader>& header, json& table) {
  if (!header) return;
  table["length"] = header->length;
  table["revision"] = header->revision;
  table["oem_id"] = header->oem_id;
  table["oem_table_id"] = header->oem_table_id;
  table["oem_revision"] = hex_text(header->oem_revision);
  table["creator_id"] = header->creator_id;
  table["creator_revision"] = hex_text(header->creator_revision);
  table["checksum_right"] = header->checksum_right;
}

void put_own(const sysfs::Dmar& dmar, json& table) {
  if (dmar.host_address_width != 0) table["host_address_width"] = dmar.host_address_width;
  if (dmar.interrupt_remapping()) table["flags"].push_back("interrupt_remapping");
  if (dmar.x2apic_opt_out()) table["flags"].push_back("x2apic_opt_out");
  if (dmar.dma_control_opt_in()) table["flags"].push_back("dma_control_opt_in");
}

void put_own(const sysfs::Ivrs& ivrs, json& table) {
  if (ivrs.physical_width() != 0) table["host_address_width"] = ivrs.physical_width();
  if (ivrs.virtual_width() != 0) table["virtual_address_width"] = ivrs.virtual_width();
  if (ivrs.extended_features()) table["flags"].push_back("extended_features");
  if (ivrs.dma_protection()) table["flags"].push_back("dma_protection");
  if (ivrs.ats_reserved()) table["flags"].push_back("ats_reserved");
}

void put_own(const sysfs::Iort&, json&) {}
void put_own(const sysfs::Viot&, json&) {}

template <class Table>
void add_table(const std::string& signature, const std::optional<sysfs::Result<Table>>& read,
               const sysfs::FirmwareLog& log, json& tables) {
  if (!read) return;
  auto table = blank_table(signature, log);
  if (*read) {
    put_header((*read)->header, table);
    put_own(**read, table);
    table["problems"] = render_problems((*read)->problems);
  } else {
    table["error"] = (*read).error().message;
  }
  tables.push_back(std::move(table));
}

void add_device_tree(const std::optional<sysfs::DeviceTree>& tree, const sysfs::FirmwareLog& log, json& tables) {
  if (!tree) return;
  auto table = blank_table("device-tree", log);
  for (const auto& problem : tree->problems)
    table["problems"].push_back({{"place", problem.path}, {"detail", problem.detail}});
  tables.push_back(std::move(table));
}

}  // namespace

json render_unit_firmware(const sysfs::IommuFirmware& firmware, std::size_t unit) {
  const auto structure = unit < firmware.of_units.size() ? firmware.of_units[unit] : std::nullopt;
  return structure ? render_structure(firmware.description.structures[*structure], firmware.places) : json(nullptr);
}

json render_firmware(const sysfs::IommuFirmware& firmware) {
  json tables = json::array();
  add_table("DMAR", firmware.tables.dmar, firmware.log, tables);
  add_table("IVRS", firmware.tables.ivrs, firmware.log, tables);
  add_table("IORT", firmware.tables.iort, firmware.log, tables);
  add_table("VIOT", firmware.tables.viot, firmware.log, tables);
  add_device_tree(firmware.tables.device_tree, firmware.log, tables);
  json others = json::array();
  for (std::size_t at = 0; at < firmware.description.structures.size(); ++at) {
    if (!firmware.has_unit(at))
      others.push_back(render_structure(firmware.description.structures[at], firmware.places));
  }
  json memory = json::array();
  for (const auto& entry : firmware.description.memory) memory.push_back(render_memory(entry, firmware));
  return {{"tables", std::move(tables)}, {"without_unit", std::move(others)}, {"reserved_memory", std::move(memory)}};
}

json render_origin(const sysfs::FirmwareMemory* memory) {
  if (memory == nullptr) return nullptr;
  return {{"table", memory->table},
          {"kind", memory->kind},
          {"start", hex_text(memory->start)},
          {"end", hex_text(memory->end)}};
}

}  // namespace devbindd::api
