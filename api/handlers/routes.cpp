// SPDX-License-Identifier: Apache-2.0
#include "api/handlers/handlers.hpp"
#include "api/handlers/route.hpp"

namespace devbindd::api {

const std::vector<Route>& routes() {
  static const std::vector<Route> table = {
      {"GET", "/v1", Access::OwnClaims, BodyRule::None, get_service},
      {"GET", "/v1/devices", Access::Read, BodyRule::None, list_devices},
      {"GET", "/v1/devices/{bdf}", Access::Read, BodyRule::None, get_device},
      {"GET", "/v1/devices/{bdf}/binding", Access::Read, BodyRule::None, get_binding},
      {"PUT", "/v1/devices/{bdf}/binding", Access::Change, BodyRule::Json, put_binding},
      {"DELETE", "/v1/devices/{bdf}/binding", Access::Change, BodyRule::None, delete_binding},
      {"POST", "/v1/bindings", Access::Change, BodyRule::Json, post_bindings, true},
      {"GET", "/v1/devices/{bdf}/sriov", Access::Read, BodyRule::None, get_sriov},
      {"PUT", "/v1/devices/{bdf}/sriov", Access::Change, BodyRule::Json, put_sriov},
      {"GET", "/v1/devices/{bdf}/cordon", Access::Read, BodyRule::None, get_cordon},
      {"PUT", "/v1/devices/{bdf}/cordon", Access::Change, BodyRule::Json, put_cordon},
      {"DELETE", "/v1/devices/{bdf}/cordon", Access::Change, BodyRule::None, delete_cordon},
      {"GET", "/v1/devices/{bdf}/usage", Access::Read, BodyRule::None, get_usage},
      {"GET", "/v1/devices/{bdf}/config", Access::Read, BodyRule::None, get_config},
      {"GET", "/v1/devices/{bdf}/regions", Access::Read, BodyRule::None, get_regions},
      {"GET", "/v1/devices/{bdf}/irqs", Access::Read, BodyRule::None, get_irqs},
      {"POST", "/v1/devices/{bdf}/probe", Access::Change, BodyRule::Json, post_device_probe, true},
      {"PUT", "/v1/devices/{bdf}/driver-override", Access::Change, BodyRule::Json, put_driver_override},
      {"DELETE", "/v1/devices/{bdf}/driver-override", Access::Change, BodyRule::None, delete_driver_override},
      {"GET", "/v1/iommu-groups", Access::Read, BodyRule::None, list_iommu_groups},
      {"GET", "/v1/iommu-groups/{number}", Access::Read, BodyRule::None, get_iommu_group},
      {"GET", "/v1/iommus", Access::Read, BodyRule::None, list_iommus},
      {"GET", "/v1/doctor", Access::Read, BodyRule::None, get_doctor},
      {"GET", "/v1/drivers", Access::Read, BodyRule::None, list_drivers},
      {"GET", "/v1/drivers/{name}", Access::Read, BodyRule::None, get_driver},
      {"POST", "/v1/drivers/{name}/ids", Access::Change, BodyRule::Json, post_driver_id, true},
      {"DELETE", "/v1/drivers/{name}/ids", Access::Change, BodyRule::None, delete_driver_id},
      {"GET", "/v1/vfio", Access::Read, BodyRule::None, get_vfio},
      {"POST", "/v1/vfio/probe", Access::Change, BodyRule::Json, post_vfio_probe, true},
      {"GET", "/v1/claims", Access::OwnClaims, BodyRule::None, list_claims},
      {"POST", "/v1/claims", Access::Change, BodyRule::Json, post_claim, false, true},
      {"GET", "/v1/claims/{id}", Access::OwnClaims, BodyRule::None, get_claim},
      {"DELETE", "/v1/claims/{id}", Access::OwnClaims, BodyRule::None, delete_claim},
      {"POST", "/v1/claims/{id}/renew", Access::Change, BodyRule::Json, renew_claim, true},
      {"POST", "/v1/claims/{id}/acknowledge", Access::Change, BodyRule::Json, acknowledge_claim, true},
      {"POST", "/v1/claims/{id}/fds", Access::OwnClaims, BodyRule::Json, post_claim_fds},
      {"POST", "/v1/claims/{id}/memlock", Access::Change, BodyRule::Json, post_claim_memlock, true},
      {"GET", "/v1/claims/{id}/handover", Access::OwnClaims, BodyRule::None, get_handover},
      {"GET", "/v1/events", Access::Read, BodyRule::None, get_events},
      {"GET", "/v1/policies", Access::Read, BodyRule::None, list_policies},
      {"GET", "/v1/audit", Access::Read, BodyRule::None, list_audit},
      {"GET", "/v1/operations", Access::Read, BodyRule::None, list_operations},
      {"GET", "/v1/operations/{id}", Access::Read, BodyRule::None, get_operation},
      {"GET", "/healthz", Access::OwnClaims, BodyRule::None, get_health},
      {"GET", "/readyz", Access::OwnClaims, BodyRule::None, get_readiness},
      {"GET", "/metrics", Access::Read, BodyRule::None, get_metrics, false, false, false},
      {"GET", "/openapi.yaml", Access::OwnClaims, BodyRule::None, get_openapi},
      {"GET", "/openapi.json", Access::OwnClaims, BodyRule::None, get_openapi_json},
  };
  return table;
}

}  // namespace devbindd::api
