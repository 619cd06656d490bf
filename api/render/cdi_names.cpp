// SPDX-License-Identifier: Apache-2.0
#include "api/render/cdi_names.hpp"

#include <algorithm>

namespace devbindd::api {

std::string k8s_name(const sysfs::PciAddress& address) {
  auto name = "pci-" + to_string(address);
  std::ranges::replace_if(
      name, [](char c) { return c == ':' || c == '.'; }, '-');
  return name;
}

std::string cdi_device_name(const Handover& handover, const HandedDevice& device) {
  return handover.claim + "-" + k8s_name(device.address);
}

std::vector<std::string> cdi_names(const Handover& handover) {
  std::vector<std::string> names;
  for (const auto& device : handover.devices) {
    names.push_back(std::string(cdi_kind) + "=" + cdi_device_name(handover, device));
  }
  return names;
}

}  // namespace devbindd::api
