// SPDX-License-Identifier: Apache-2.0
#include "sysfs/firmware/firmware_tables.hpp"

#include <cerrno>

namespace devbindd::sysfs {
namespace {

template <class Table>
std::optional<Result<Table>> read_table(const Tree& tree, const std::string& name, Table (*parse)(std::string_view)) {
  const auto bytes = tree.read_bytes("sys/firmware/acpi/tables/" + name, most_table_bytes);
  if (bytes) return Result<Table>(parse(*bytes));
  if (bytes.error().errno_value == ENOENT) return std::nullopt;
  return Result<Table>(std::unexpected(bytes.error()));
}

template <class Table>
bool is_readable(const std::optional<Result<Table>>& table) {
  return !table || table->has_value();
}

}  // namespace

bool FirmwareTables::complete() const {
  return is_readable(dmar) && is_readable(ivrs) && is_readable(iort) && is_readable(viot);
}

FirmwareTables read_acpi_iommu_tables(const Tree& tree) {
  return {.dmar = read_table(tree, "DMAR", parse_dmar),
          .ivrs = read_table(tree, "IVRS", parse_ivrs),
          .iort = read_table(tree, "IORT", parse_iort),
          .viot = read_table(tree, "VIOT", parse_viot),
          .device_tree = std::nullopt};
}

FirmwareTables read_iommu_tables(const Tree& tree) {
  auto tables = read_acpi_iommu_tables(tree);
  tables.device_tree = read_device_tree(tree);
  return tables;
}

}  // namespace devbindd::sysfs
