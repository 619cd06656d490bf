// SPDX-License-Identifier: Apache-2.0
// The kernel's facts as JSON. Addresses as text, IDs as lower-case hex without prefix ("8086", as lspci -n), "none" as
// null.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>

#include "api/context/context.hpp"
#include "api/http/message.hpp"
#include "handoff/worker/override_reader.hpp"
#include "sysfs/device/pci_driver.hpp"
#include "sysfs/iommu/iommu_group.hpp"
#include "sysfs/use/network_routes.hpp"
#include "vfio/nodes.hpp"

namespace devbindd::api {

nlohmann::json to_json(const vfio::Node& node);

/// One device, without what needs the device lock. `routes` tells which interfaces carry the default route.
sysfs::Result<nlohmann::json> render_device(Context& context, const sysfs::Device& device, const sysfs::Routes& routes);

/// The binding of one device: driver, override and who set it, what a give-back restores, nodes, candidates.
sysfs::Result<nlohmann::json> render_binding(Context& context, const sysfs::Device& device,
                                             const handoff::OverrideAnswer& driver_override);

/// {"driver_override", "driver_override_error"}: the override, or why it cannot be read.
nlohmann::json render_override(const handoff::OverrideAnswer& driver_override);

/// The part of it that the device itself does not say: the override and who set it, what a give-back restores, who else
/// moves the device.
nlohmann::json render_keeping(Context& context, const sysfs::Device& device,
                              const handoff::OverrideAnswer& driver_override);

/// The modules whose aliases match the device, as lspci -k shows them; kept for half a minute.
const std::vector<std::string>& matching_modules(Context& context, const sysfs::Device& device);

/// Which interfaces carry routes, as far as has been taken in: after Engine::current(). Error: Kernel.
sysfs::Result<sysfs::Routes> current_routes(Context& context);
/// The drivers for programs (vfio-pci, uio_pci_generic, ...) that are loaded now.
const std::vector<std::string>& loaded_userspace_drivers(Context& context);
/// The drivers that could have the device: modules by its aliases, and the userspace drivers that are loaded.
std::vector<std::string> candidate_drivers(Context& context, const sysfs::Device& device);

sysfs::Result<nlohmann::json> render_group(Context& context, const sysfs::IommuGroup& group);
nlohmann::json render_driver(const sysfs::PciDriver& driver);

/// "8086": four hex digits without prefix.
std::string hex_id(std::uint16_t id);

/// Null, or which driver devbindd left the device with, where somebody else has given it another one since.
nlohmann::json render_drift(Context& context, const sysfs::Device& device);
/// {"reason", "since", "requested_by"} of a device that gets no new claims, or null.
nlohmann::json render_cordon(Context& context, const sysfs::Device& device);

}  // namespace devbindd::api
