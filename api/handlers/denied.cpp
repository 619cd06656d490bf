// SPDX-License-Identifier: Apache-2.0
#include "api/handlers/denied.hpp"

#include <nlohmann/json.hpp>

#include "api/http/problem.hpp"
#include "api/requests/claim_filter.hpp"
#include "handoff/journal/rows.hpp"

namespace devbindd::api {
namespace {

using nlohmann::json;

// The device that the path is about, where it is about one.
std::vector<sysfs::PciAddress> devices_in(const Request& request) {
  if (request.path.size() < 3 || request.path[1] != "devices") return {};
  const auto address = sysfs::parse_pci_address(request.path[2]);
  return address ? std::vector{*address} : std::vector<sysfs::PciAddress>{};
}

std::string path_of(const Request& request) {
  constexpr std::size_t most = 256;
  std::string text;
  for (const auto& segment : request.path) text += "/" + segment;
  return text.substr(0, most);
}

void audit(Context& context, const Request& request, const Denial& denial) {
  const auto user = asker_of(request.requester).name;
  const auto left_out = context.denials.take(user, std::chrono::steady_clock::now());
  if (!left_out) return;
  const auto more =
      *left_out == 0 ? std::string{} : " (and " + std::to_string(*left_out) + " more that have no line here)";
  handoff::AuditEntry entry{.at = std::chrono::system_clock::now(),
                            .event = handoff::AuditEvent::Refused,
                            .kind = "request",
                            .requester = request.requester,
                            .request = {},
                            .operation = {},
                            .outcome = denial.code,
                            .detail = request.method + " " + path_of(request) + ": " + denial.detail + more,
                            .evidence = {},
                            .accepted = {},
                            .looked_at = {}};
  const auto devices = devices_in(request);
  if (!devices.empty()) entry.request.address = devices.front();
  const auto& services = context.engine.services();
  services.journal.record(row_of(entry, devices),
                          [&services](const sysfs::Result<>& stored) { handoff::warn_of(services, stored); });
}

handoff::LabelsOf labels_in(const Context& context) {
  return [&context](const sysfs::Device& device) { return context.policies.labels_of(device); };
}

// Whose the claim is may use it; whoever else must be able to change each of its devices.
std::optional<Denial> denial_of(Context& context, const Request& request, const handoff::Claim& claim) {
  if (is_own(request, claim) && has(request.grant, Right::OwnClaims)) return std::nullopt;
  std::vector<sysfs::Device> devices;
  for (const auto& claimed : claim.devices) devices.push_back(device_at(context, claimed.address));
  std::vector<const sysfs::Device*> all;
  for (const auto& device : devices) all.push_back(&device);
  return decide(request.grant, Right::Operate, all, labels_in(context));
}

}  // namespace

Response denied(Context& context, const Request& request, const Denial& denial) {
  audit(context, request, denial);
  const auto& grant = request.grant;
  auto response = problem(request, denial.status, denial.code, denial.detail,
                          {{"role", name_of(grant.role)},
                           {"granted_by", grant.by},
                           {"needed_right", name_of(denial.needed)},
                           {"needed_role", name_of(least_role_with(denial.needed))}});
  if (denial.status == 401)
    response.headers.emplace_back("WWW-Authenticate", grant.wrong_token
                                                          ? "Bearer realm=\"devbindd\", error=\"invalid_token\""
                                                          : "Bearer realm=\"devbindd\"");
  return response;
}

sysfs::Device device_at(Context& context, const sysfs::PciAddress& address) {
  const auto* device = context.engine.services().inventory.find(address);
  if (device != nullptr) return *device;
  sysfs::Device gone;
  gone.address = address;
  return gone;
}

std::optional<Response> device_denied(Context& context, const Request& request, const sysfs::Device& device) {
  const auto denial = decide(request.grant, Right::Operate, {&device}, labels_in(context));
  return denial ? std::optional(denied(context, request, *denial)) : std::nullopt;
}

std::optional<Response> claim_denied(Context& context, const Request& request, const handoff::Claim& claim) {
  const auto denial = denial_of(context, request, claim);
  return denial ? std::optional(denied(context, request, *denial)) : std::nullopt;
}

bool may_use(Context& context, const Request& request, const handoff::Claim& claim) {
  return !denial_of(context, request, claim);
}

}  // namespace devbindd::api
