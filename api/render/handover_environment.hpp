// SPDX-License-Identifier: Apache-2.0
// Environment variables for consumers that read those, and the file of them. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "api/render/handover.hpp"

namespace devbindd::api {

struct Variable {
  std::string name;
  std::string value;
};

/// Upper case, and '_' for whatever a shell would not take in a name.
std::string env_word(std::string_view text);

/// PCIDEVICE_DEVBINDD_<RESOURCE>
std::string address_variable(const HandedDevice& device);

/// One for each resource. Names as sriov-network-device-plugin makes them:
/// PCIDEVICE_<PREFIX>_<RESOURCE>=address,address.
std::vector<Variable> address_variables(const Handover& handover);

/// HandoverFormat::Env
HandoverText render_env(const Handover& handover);

}  // namespace devbindd::api
