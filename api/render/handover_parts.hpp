// SPDX-License-Identifier: Apache-2.0
// What documents for several consumers have in common: nodes, addresses, the token, a warning. Pure.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "api/render/handover.hpp"

namespace devbindd::api {

/// A device node as a consumer opens it.
struct Node {
  std::string path;  ///< where the consumer's container has it
  std::string host_path;

  bool operator==(const Node&) const = default;
};

/// The backend's nodes of the devices, each once; what does not exist is not among them.
std::vector<Node> nodes_of(const std::vector<HandedDevice>& devices, Backend backend);

/// All nodes that a consumer needs to open the requested devices, companions included, and that of the backend itself
/// first. A node that does not exist would make a container fail to start.
std::vector<Node> all_nodes(const Handover& handover);

/// Of the requested devices, in their order.
std::vector<std::string> addresses_of(const Handover& handover);

/// The token that the claim's virtual functions need, "" where none of them is one.
std::string token_of(const Handover& handover);

/// Why a virtual machine cannot get a device without IOMMU.
std::string not_for_guests(const HandedDevice& device);

HandoverText json_text(const nlohmann::ordered_json& document);

}  // namespace devbindd::api
