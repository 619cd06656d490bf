// SPDX-License-Identifier: Apache-2.0
// IOMMU units and whether translation is on, as JSON and as text.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "sysfs/iommu/iommu_state.hpp"
#include "sysfs/iommu/iommu_unit.hpp"
#include "sysfs/iommu/remapping_mode.hpp"

namespace devbindd::api {

nlohmann::json render_iommu_unit(const sysfs::IommuUnit& unit);
nlohmann::json render_iommu_state(const sysfs::IommuState& state, const sysfs::RemappingFinding& remapping);

/// {"items": units, "translation": state, "firmware": tables} for a person.
std::string iommu_text(const nlohmann::json& document);

}  // namespace devbindd::api
