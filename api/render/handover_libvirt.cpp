// SPDX-License-Identifier: Apache-2.0
#include "api/render/handover_libvirt.hpp"

#include <array>
#include <cstdio>
#include <string>

#include "api/render/handover_parts.hpp"

namespace devbindd::api {
namespace {

using sysfs::to_string;

std::string hostdev(const Handover& handover, const HandedDevice& device, const std::string& indent) {
  const auto& at = device.address;
  std::array<char, 96> address{};
  std::snprintf(address.data(), address.size(), "<address domain='0x%04x' bus='0x%02x' slot='0x%02x' function='0x%x'/>",
                at.domain, unsigned{at.bus}, unsigned{at.slot}, unsigned{at.function});
  std::string comment = device.no_iommu ? indent + "<!-- " + not_for_guests(device) + " -->\n" : "";
  if (device.virtual_function && !handover.vf_token.empty())
    comment += indent + "<!-- " + to_string(at) +
               " needs a VF token, and this element has no place for one: it will not open -->\n";
  return comment + indent + "<hostdev mode='subsystem' type='pci' managed='no'>\n" +  //
         indent + "  <driver name='vfio'/>\n" +                                       //
         indent + "  <source>\n" +                                                    //
         indent + "    " + address.data() + "\n" +                                    //
         indent + "  </source>\n" +                                                   //
         indent + "</hostdev>\n";
}

}  // namespace

HandoverText render_libvirt_xml(const Handover& handover) {
  if (handover.devices.size() == 1) return {"application/xml", hostdev(handover, handover.devices.front(), "")};
  std::string text = "<devices>\n";
  for (const auto& device : handover.devices) text += hostdev(handover, device, "  ");
  return {"application/xml", text + "</devices>\n"};
}

}  // namespace devbindd::api
