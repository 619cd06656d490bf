// SPDX-License-Identifier: Apache-2.0
// Requests in one line each, and what their refusals are for.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "handoff/model/evidence.hpp"
#include "handoff/model/request.hpp"

namespace devbindd::tests {

inline sysfs::PciAddress at(std::string_view text) { return sysfs::parse_pci_address(text).value(); }
inline sysfs::DriverName driver_named(std::string_view text) { return sysfs::DriverName::parse(text).value(); }

inline handoff::ChangeRequest bind_request(std::string_view address, std::string_view driver = "vfio-pci",
                                           std::optional<handoff::Scope> scope = {}) {
  return {.kind = handoff::ChangeKind::Bind,
          .address = at(address),
          .driver = driver_named(driver),
          .scope = scope,
          .method = handoff::Method::DriverOverride,
          .id = {},
          .accept_risks = {}};
}

inline handoff::ChangeRequest new_id_request(std::string_view address, std::string_view driver = "vfio-pci",
                                             std::optional<handoff::Scope> scope = {}) {
  auto request = bind_request(address, driver, scope);
  request.method = handoff::Method::NewId;
  return request;
}

inline handoff::ChangeRequest request_of(handoff::ChangeKind kind, std::string_view address,
                                         std::optional<handoff::Scope> scope = {}) {
  return {.kind = kind,
          .address = at(address),
          .driver = {},
          .scope = scope,
          .method = handoff::Method::DriverOverride,
          .id = {},
          .accept_risks = {}};
}

/// `driver`: "" leaves the VFs to the kernel, "none" gives them none.
inline handoff::ChangeRequest functions_request(std::string_view physical, unsigned count,
                                                std::string_view driver = "vfio-pci") {
  auto request = request_of(handoff::ChangeKind::SetVfs, physical);
  request.functions = handoff::VirtualFunctions{.count = count, .kernel_chooses = driver.empty()};
  if (!driver.empty() && driver != "none") request.driver = driver_named(driver);
  if (driver == "igbvf") request.accept_risks = {"driver.no_match"};  // there is no index of modules in these tests
  return request;
}

inline handoff::ChangeRequest id_request(handoff::ChangeKind kind, std::string_view driver, std::string id) {
  return {.kind = kind,
          .address = {},
          .driver = driver_named(driver),
          .scope = {},
          .method = handoff::Method::DriverOverride,
          .id = std::move(id),
          .accept_risks = {}};
}

inline handoff::ChangeRequest accepting(handoff::ChangeRequest request, std::vector<std::string> codes) {
  request.accept_risks = std::move(codes);
  return request;
}

inline handoff::ChangeRequest transaction(std::vector<handoff::ChangeRequest> items) {
  handoff::ChangeRequest request;
  request.kind = handoff::ChangeKind::Transaction;
  request.items = std::move(items);
  return request;
}

/// What a refusal is for.
inline std::vector<std::string> codes(const std::vector<handoff::Evidence>& evidence) {
  std::vector<std::string> found;
  for (const auto& item : evidence) found.push_back(item.code);
  return found;
}

}  // namespace devbindd::tests
