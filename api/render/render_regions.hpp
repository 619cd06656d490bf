// SPDX-License-Identifier: Apache-2.0
// Regions, IRQs and the rest of what VFIO says of a device, as JSON.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include "vfio/passive_regions.hpp"
#include "vfio/probe.hpp"

namespace devbindd::api {

/// `source` is "sysfs" or "vfio".
nlohmann::json render_regions(const std::vector<vfio::Region>& regions, std::string_view source);
nlohmann::json render_irqs(const std::vector<vfio::Irq>& irqs, std::string_view source);
nlohmann::json render_msix(const vfio::PassiveReport& report);

/// Page sizes, usable I/O addresses and limits.
nlohmann::json render_iommu(const vfio::IommuInfo& iommu);

/// What only the active probe knows: device flags, reset scope, features, the IOMMU's page sizes and I/O addresses.
nlohmann::json render_probe(const vfio::ProbeReport& report);

}  // namespace devbindd::api
