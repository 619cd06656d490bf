// The bodies and queries that ask for changes of bindings, as typed requests, or the exact 400 that names the place.
// Not here: what becomes of a request (change.hpp).
#pragma once

#include "api/message.hpp"
#include "api/parameters.hpp"
#include "api/query.hpp"
#include "handoff/request.hpp"
#include "sysfs/inventory.hpp"

namespace devbindd::api {

/// {"driver": NAME or null, "scope": ..., "method": ..., "accept_risks": [...], "expect": {...}}
OrResponse<handoff::ChangeRequest> read_binding_request(const Request& request, const sysfs::PciAddress& address);

/// {"driver": NAME, "expect": {...}}
OrResponse<handoff::ChangeRequest> read_override_request(const Request& request, const sysfs::PciAddress& address);

/// {"vfs": COUNT, "driver": NAME or null, "drivers_autoprobe": ..., "accept_risks": [...], "expect": {...}}; without
/// "driver" the kernel chooses for each VF.
OrResponse<handoff::ChangeRequest> read_sriov_request(const Request& request, const sysfs::PciAddress& address);

/// scope, accept_risks and expect_... of a request without body.
OrResponse<handoff::ChangeRequest> read_bodyless(const Request& request, QueryReader& query,
                                                 const sysfs::PciAddress& address, handoff::ChangeKind kind);

/// {"items": [...], "accept_risks": [...]}. An item is {"device" or "iommu_group": ..., "driver": NAME or null, or
/// "restore": true, "scope": ..., "expect": {...}}; a group is asked for by its first member that is no bridge.
/// Problems beside 400: device_not_found, iommu_group_not_found (404), which name the item.
OrResponse<handoff::ChangeRequest> read_transaction(const Request& request, const sysfs::Inventory& inventory);

}  // namespace devbindd::api
