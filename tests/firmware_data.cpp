// SPDX-License-Identifier: Apache-2.0
#include "tests/firmware_data.hpp"

#include <filesystem>
#include <fstream>
#include <sstream>

#include "sysfs/kernel/fields.hpp"
#include "tests/test_paths.hpp"

namespace devbindd::tests {
namespace {

using sysfs::hex_number;

template <class Value>
std::string hex_field(const std::string& name, const std::optional<Value>& value) {
  return value ? " " + name + "=" + hex_number(*value) : "";
}

std::string address_field(const std::string& name, const std::optional<sysfs::PciAddress>& address) {
  return address ? " " + name + "=" + sysfs::to_string(*address) : "";
}

std::string text_field(const std::string& name, const std::string& text) {
  return text.empty() ? "" : " " + name + "=" + text;
}

std::string line_of(const sysfs::FirmwareScope& scope) {
  return "    " + std::string(sysfs::name_of(scope.kind)) + hex_field("id", scope.id) +
         text_field("path", sysfs::path_text(scope)) + address_field("last", scope.last) +
         address_field("requester", scope.requester) + hex_field("stream", scope.stream) +
         hex_field("setting", scope.setting) + hex_field("extended", scope.extended) + hex_field("base", scope.base) +
         text_field("name", scope.name) + "\n";
}

std::string line_of(const sysfs::FirmwareStructure& structure) {
  std::string text = "  " + structure.kind + (structure.is_unit ? " (unit)" : "") + hex_field("base", structure.base) +
                     hex_field("segment", structure.segment) + address_field("address", structure.address) +
                     hex_field("flags", structure.flags) + (structure.takes_rest ? " takes_rest" : "") +
                     hex_field("proximity", structure.proximity_domain) + hex_field("efr", structure.efr) +
                     hex_field("id", structure.id) + text_field("name", structure.name);
  for (const auto type : structure.types) text += " type=" + hex_number(type);
  text += "\n";
  for (const auto& scope : structure.scopes) text += line_of(scope);
  return text;
}

std::string line_of(const sysfs::FirmwareMemory& memory) {
  auto text = "  " + memory.kind + " " + hex_number(memory.start) + "-" + hex_number(memory.end) +
              hex_field("segment", memory.segment) + " flags=" + hex_number(memory.flags) +
              (memory.excluded ? " excluded" : "") + (memory.movable ? " movable" : "") + "\n";
  for (const auto& scope : memory.scopes) text += line_of(scope);
  return text;
}

template <class Table>
std::string head_of(const std::optional<sysfs::Result<Table>>& table) {
  if (!table) return "";
  if (!*table) return "error: " + table->error().message + "\n";
  std::string text;
  if (const auto& header = (*table)->header) {
    text = header->signature + " length=" + std::to_string(header->length) +
           " revision=" + std::to_string(header->revision) + " oem='" + header->oem_id + "' '" + header->oem_table_id +
           "' " + hex_number(header->oem_revision) + " creator='" + header->creator_id + "' " +
           hex_number(header->creator_revision) + (header->checksum_right ? "" : " checksum wrong") + "\n";
  }
  for (const auto& problem : (*table)->problems)
    text += "  problem at " + hex_number(problem.offset) + ": " + problem.detail + "\n";
  return text;
}

std::string own_fields(const sysfs::FirmwareTables& tables) {
  std::string text;
  if (tables.dmar && *tables.dmar) {
    const auto& dmar = **tables.dmar;
    text += "  width=" + std::to_string(dmar.host_address_width) + " flags=" + hex_number(dmar.flags) + "\n";
  }
  if (tables.ivrs && *tables.ivrs) {
    const auto& ivrs = **tables.ivrs;
    text += "  physical=" + std::to_string(ivrs.physical_width()) + " virtual=" + std::to_string(ivrs.virtual_width()) +
            (ivrs.extended_features() ? " extended_features" : "") + (ivrs.dma_protection() ? " dma_protection" : "") +
            (ivrs.ats_reserved() ? " ats_reserved" : "") + "\n";
  }
  return text;
}

}  // namespace

std::string firmware_bytes(const std::string& name) {
  std::ifstream file(std::filesystem::path(data_directory) / "firmware" / (name + ".hex"));
  std::string bytes;
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with('#')) continue;
    for (const auto word : sysfs::words_of(line))
      bytes.push_back(static_cast<char>(sysfs::number_from<std::uint8_t>(word, 16).value_or(0)));
  }
  return bytes;
}

const std::vector<std::string>& firmware_names() {
  static const std::vector<std::string> names = {
      "dmar_all",    "dmar_apple", "dmar_dell", "dmar_edk2",   "dmar_issue", "dmar_namespace",
      "dmar_server", "ivrs_amd",   "ivrs_qemu", "ivrs_memory", "iort_d06",   "iort_lx2160",
      "iort_altra",  "iort_qemu",  "iort_rmr",  "viot_qemu",   "viot_memory"};
  return names;
}

sysfs::FirmwareTables tables_of(const std::string& name, const std::string& bytes) {
  sysfs::FirmwareTables tables;
  if (name.starts_with("dmar")) tables.dmar = sysfs::parse_dmar(bytes);
  if (name.starts_with("ivrs")) tables.ivrs = sysfs::parse_ivrs(bytes);
  if (name.starts_with("iort")) tables.iort = sysfs::parse_iort(bytes);
  if (name.starts_with("viot")) tables.viot = sysfs::parse_viot(bytes);
  return tables;
}

std::string summary_of(const sysfs::FirmwareTables& tables) {
  auto text =
      head_of(tables.dmar) + head_of(tables.ivrs) + head_of(tables.iort) + head_of(tables.viot) + own_fields(tables);
  const auto description = sysfs::describe(tables);
  for (const auto& structure : description.structures) text += line_of(structure);
  for (const auto& memory : description.memory) text += line_of(memory);
  return text;
}

}  // namespace devbindd::tests
