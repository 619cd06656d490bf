// SPDX-License-Identifier: Apache-2.0
// What the firmware's tables say of IOMMUs, as JSON and as lines like those of the kernel's log.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "sysfs/iommu/group_memory.hpp"
#include "sysfs/iommu/iommu_firmware.hpp"

namespace devbindd::api {

/// The structure of the unit with that number in the list of units; null where no table describes it.
nlohmann::json render_unit_firmware(const sysfs::IommuFirmware& firmware, std::size_t unit);

/// {"tables", "without_unit", "reserved_memory"}.
nlohmann::json render_firmware(const sysfs::IommuFirmware& firmware);

/// Where the tables say that the region of a group must be: {"table", "kind", "start", "end"}; null for nowhere.
nlohmann::json render_origin(const sysfs::FirmwareMemory* memory);

/// The lines for a person, of the document of GET /v1/iommus; "" where there is no table.
std::string firmware_text(const nlohmann::json& document);

}  // namespace devbindd::api
