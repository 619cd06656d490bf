// SPDX-License-Identifier: Apache-2.0
// The bodies and queries that ask for changes of bindings, as typed requests. What is wrong is added to the mistakes;
// what is returned then is not to be used. Not here: what becomes of a request (change.hpp).
#pragma once

#include <nlohmann/json_fwd.hpp>

#include "api/http/json_body.hpp"
#include "api/http/query.hpp"
#include "handoff/model/request.hpp"
#include "sysfs/device/inventory.hpp"

namespace devbindd::api {

/// {"driver": NAME or null, "scope": ..., "method": ..., "accept_risks": [...], "expect": {...}}
handoff::ChangeRequest read_binding_request(const nlohmann::json& document, const sysfs::PciAddress& address,
                                            Mistakes& mistakes);

/// {"driver": NAME, "expect": {...}}
handoff::ChangeRequest read_override_request(const nlohmann::json& document, const sysfs::PciAddress& address,
                                             Mistakes& mistakes);

/// {"vfs": COUNT, "driver": NAME or null, "drivers_autoprobe": ..., "accept_risks": [...], "expect": {...}}; without
/// "driver" the kernel chooses for each VF.
handoff::ChangeRequest read_sriov_request(const nlohmann::json& document, const sysfs::PciAddress& address,
                                          Mistakes& mistakes);

/// scope, accept_risks and expect_... of a request without body.
handoff::ChangeRequest read_bodyless(QueryReader& query, const sysfs::PciAddress& address, handoff::ChangeKind kind);

/// {"items": [...], "accept_risks": [...]}. An item is {"device" or "iommu_group": ..., "driver": NAME or null, or
/// "restore": true, "scope": ..., "expect": {...}}; a group is asked for by its first member that is no bridge.
/// Mistakes besides the usual ones: device_not_found, iommu_group_not_found, which name the item.
handoff::ChangeRequest read_transaction(const nlohmann::json& document, const sysfs::Inventory& inventory,
                                        Mistakes& mistakes);

}  // namespace devbindd::api
