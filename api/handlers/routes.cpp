// SPDX-License-Identifier: Apache-2.0
#include "api/handlers/handlers.hpp"
#include "api/handlers/route.hpp"

namespace devbindd::api {

const std::vector<Route>& routes() {
  static const std::vector<Route> table = {
      {"GET", "/v1", Right::Service, BodyRule::None, get_service},
      {"GET", "/v1/whoami", Right::Service, BodyRule::None, get_whoami},
      {"GET", "/v1/devices", Right::Read, BodyRule::None, list_devices},
      {"GET", "/v1/devices/{bdf}", Right::Read, BodyRule::None, get_device},
      {"GET", "/v1/devices/{bdf}/binding", Right::Read, BodyRule::None, get_binding},
      {"PUT", "/v1/devices/{bdf}/binding", Right::Operate, BodyRule::Json, put_binding},
      {"DELETE", "/v1/devices/{bdf}/binding", Right::Operate, BodyRule::None, delete_binding},
      {"POST", "/v1/bindings", Right::Operate, BodyRule::Json, post_bindings, true},
      {"GET", "/v1/devices/{bdf}/sriov", Right::Read, BodyRule::None, get_sriov},
      {"PUT", "/v1/devices/{bdf}/sriov", Right::Operate, BodyRule::Json, put_sriov},
      {"GET", "/v1/devices/{bdf}/cordon", Right::Read, BodyRule::None, get_cordon},
      {"PUT", "/v1/devices/{bdf}/cordon", Right::Operate, BodyRule::Json, put_cordon},
      {"DELETE", "/v1/devices/{bdf}/cordon", Right::Operate, BodyRule::None, delete_cordon},
      {"GET", "/v1/devices/{bdf}/usage", Right::Read, BodyRule::None, get_usage},
      {"GET", "/v1/devices/{bdf}/config", Right::Read, BodyRule::None, get_config},
      {"GET", "/v1/devices/{bdf}/regions", Right::Read, BodyRule::None, get_regions},
      {"GET", "/v1/devices/{bdf}/irqs", Right::Read, BodyRule::None, get_irqs},
      {"POST", "/v1/devices/{bdf}/probe", Right::Operate, BodyRule::Json, post_device_probe, true},
      {"PUT", "/v1/devices/{bdf}/driver-override", Right::Administer, BodyRule::Json, put_driver_override},
      {"DELETE", "/v1/devices/{bdf}/driver-override", Right::Administer, BodyRule::None, delete_driver_override},
      {"GET", "/v1/iommu-groups", Right::Read, BodyRule::None, list_iommu_groups},
      {"GET", "/v1/iommu-groups/{number}", Right::Read, BodyRule::None, get_iommu_group},
      {"GET", "/v1/iommus", Right::Read, BodyRule::None, list_iommus},
      {"GET", "/v1/doctor", Right::Read, BodyRule::None, get_doctor},
      {"GET", "/v1/drivers", Right::Read, BodyRule::None, list_drivers},
      {"GET", "/v1/drivers/{name}", Right::Read, BodyRule::None, get_driver},
      {"POST", "/v1/drivers/{name}/ids", Right::Administer, BodyRule::Json, post_driver_id, true},
      {"DELETE", "/v1/drivers/{name}/ids", Right::Administer, BodyRule::None, delete_driver_id},
      {"GET", "/v1/vfio", Right::Read, BodyRule::None, get_vfio},
      {"POST", "/v1/vfio/probe", Right::Operate, BodyRule::Json, post_vfio_probe, true},
      {"GET", "/v1/claims", Right::OwnClaims, BodyRule::None, list_claims},
      {"POST", "/v1/claims", Right::Claim, BodyRule::Json, post_claim, false, true},
      {"GET", "/v1/claims/{id}", Right::OwnClaims, BodyRule::None, get_claim},
      {"DELETE", "/v1/claims/{id}", Right::OwnClaims, BodyRule::None, delete_claim},
      {"POST", "/v1/claims/{id}/renew", Right::Claim, BodyRule::Json, renew_claim, true},
      {"POST", "/v1/claims/{id}/acknowledge", Right::Operate, BodyRule::Json, acknowledge_claim, true},
      {"POST", "/v1/claims/{id}/fds", Right::OwnClaims, BodyRule::Json, post_claim_fds},
      {"POST", "/v1/claims/{id}/memlock", Right::Operate, BodyRule::Json, post_claim_memlock, true},
      {"GET", "/v1/claims/{id}/handover", Right::OwnClaims, BodyRule::None, get_handover},
      {"GET", "/v1/events", Right::Read, BodyRule::None, get_events},
      {"GET", "/v1/policies", Right::Read, BodyRule::None, list_policies},
      {"GET", "/v1/audit", Right::Read, BodyRule::None, list_audit},
      {"GET", "/v1/operations", Right::Read, BodyRule::None, list_operations},
      {"GET", "/v1/operations/{id}", Right::Read, BodyRule::None, get_operation},
      {"GET", "/healthz", Right::Service, BodyRule::None, get_health},
      {"GET", "/readyz", Right::Service, BodyRule::None, get_readiness},
      {"GET", "/metrics", Right::Read, BodyRule::None, get_metrics, false, false, false},
      {"GET", "/openapi.yaml", Right::Service, BodyRule::None, get_openapi},
      {"GET", "/openapi.json", Right::Service, BodyRule::None, get_openapi_json},
  };
  return table;
}

}  // namespace devbindd::api
