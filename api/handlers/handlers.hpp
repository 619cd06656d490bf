// SPDX-License-Identifier: Apache-2.0
// The handlers that the route table names, by file: device_handlers.cpp, usage_handlers.cpp, config_handlers.cpp,
// region_handlers.cpp, probe_handlers.cpp, binding_handlers.cpp, sriov_handlers.cpp, cordon_handlers.cpp,
// driver_handlers.cpp, group_handlers.cpp, host_handlers.cpp (IOMMUs, doctor), vfio_handlers.cpp, claim_handlers.cpp,
// consumer_handlers.cpp (of claims), policy_handlers.cpp, operation_handlers.cpp, service_handlers.cpp. Each parses its
// request into typed values, asks the layers below, and renders the answer.
#pragma once

#include "api/context/context.hpp"
#include "api/http/message.hpp"

namespace devbindd::api {

void list_devices(Context&, const Request&, const PathArguments&, Respond);
void get_device(Context&, const Request&, const PathArguments&, Respond);
void get_usage(Context&, const Request&, const PathArguments&, Respond);
void get_config(Context&, const Request&, const PathArguments&, Respond);
void get_regions(Context&, const Request&, const PathArguments&, Respond);
void get_irqs(Context&, const Request&, const PathArguments&, Respond);

void get_binding(Context&, const Request&, const PathArguments&, Respond);
void put_binding(Context&, const Request&, const PathArguments&, Respond);
void delete_binding(Context&, const Request&, const PathArguments&, Respond);
void post_bindings(Context&, const Request&, const PathArguments&, Respond);
void get_cordon(Context&, const Request&, const PathArguments&, Respond);
void put_cordon(Context&, const Request&, const PathArguments&, Respond);
void delete_cordon(Context&, const Request&, const PathArguments&, Respond);
void get_sriov(Context&, const Request&, const PathArguments&, Respond);
void put_sriov(Context&, const Request&, const PathArguments&, Respond);
void put_driver_override(Context&, const Request&, const PathArguments&, Respond);
void delete_driver_override(Context&, const Request&, const PathArguments&, Respond);

void list_drivers(Context&, const Request&, const PathArguments&, Respond);
void get_driver(Context&, const Request&, const PathArguments&, Respond);
void post_driver_id(Context&, const Request&, const PathArguments&, Respond);
void delete_driver_id(Context&, const Request&, const PathArguments&, Respond);

void list_iommu_groups(Context&, const Request&, const PathArguments&, Respond);
void get_iommu_group(Context&, const Request&, const PathArguments&, Respond);
void list_iommus(Context&, const Request&, const PathArguments&, Respond);
void get_doctor(Context&, const Request&, const PathArguments&, Respond);
void get_vfio(Context&, const Request&, const PathArguments&, Respond);

void post_device_probe(Context&, const Request&, const PathArguments&, Respond);
void post_vfio_probe(Context&, const Request&, const PathArguments&, Respond);

void list_claims(Context&, const Request&, const PathArguments&, Respond);
void post_claim(Context&, const Request&, const PathArguments&, Respond);
void get_claim(Context&, const Request&, const PathArguments&, Respond);
void delete_claim(Context&, const Request&, const PathArguments&, Respond);
void renew_claim(Context&, const Request&, const PathArguments&, Respond);
void acknowledge_claim(Context&, const Request&, const PathArguments&, Respond);
void post_claim_fds(Context&, const Request&, const PathArguments&, Respond);
void post_claim_memlock(Context&, const Request&, const PathArguments&, Respond);
void get_handover(Context&, const Request&, const PathArguments&, Respond);

void list_policies(Context&, const Request&, const PathArguments&, Respond);

void get_events(Context&, const Request&, const PathArguments&, Respond);
void list_audit(Context&, const Request&, const PathArguments&, Respond);
void list_operations(Context&, const Request&, const PathArguments&, Respond);
void get_operation(Context&, const Request&, const PathArguments&, Respond);

void get_whoami(Context&, const Request&, const PathArguments&, Respond);
void get_service(Context&, const Request&, const PathArguments&, Respond);
void get_health(Context&, const Request&, const PathArguments&, Respond);
void get_readiness(Context&, const Request&, const PathArguments&, Respond);
void get_metrics(Context&, const Request&, const PathArguments&, Respond);
void get_openapi(Context&, const Request&, const PathArguments&, Respond);
void get_openapi_json(Context&, const Request&, const PathArguments&, Respond);

}  // namespace devbindd::api
