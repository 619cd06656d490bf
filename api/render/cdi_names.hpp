// SPDX-License-Identifier: Apache-2.0
// What a claimed device is called where containers are started. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "api/render/handover.hpp"

namespace devbindd::api {

constexpr std::string_view cdi_kind = "devbindd.io/vfio";

/// A DNS label from an address, as Kubernetes' dynamic resource allocation wants it: "pci-0000-3b-00-0".
std::string k8s_name(const sysfs::PciAddress& address);

/// "<claim>-<k8s_name>"
std::string cdi_device_name(const Handover& handover, const HandedDevice& device);

/// "devbindd.io/vfio=<claim>-<k8s_name>" for each requested device in order: the names that a container runtime
/// resolves. Never used again, since the claim's id is not: runtimes cache what a name meant.
std::vector<std::string> cdi_names(const Handover& handover);

}  // namespace devbindd::api
