// SPDX-License-Identifier: Apache-2.0
#include "sysfs/use/usb_use.hpp"

#include <algorithm>
#include <string_view>

namespace devbindd::sysfs {
namespace {

constexpr std::string_view hub_class = "09";
constexpr std::string_view hid_class = "03";

bool is_interface(const Descendant& found) {
  return found.subsystem == "usb" && found.name.find(':') != std::string::npos;
}

std::string attribute(const Tree& tree, const std::string& path, std::string_view name) {
  return tree.read(path + "/" + std::string(name)).value_or("");
}

// The interface's directory lies in its device's.
std::string product_of(const Tree& tree, const Descendant& interface) {
  const auto device = interface.path.substr(0, interface.path.rfind('/'));
  if (auto product = attribute(tree, device, "product"); !product.empty()) return product;
  return attribute(tree, device, "idVendor") + ":" + attribute(tree, device, "idProduct");
}

std::string hid_role(const Tree& tree, const Descendant& interface) {
  const auto protocol = attribute(tree, interface.path, "bInterfaceProtocol");
  if (protocol == "01") return "keyboard";
  return protocol == "02" ? "mouse" : "HID";
}

std::string role_of(const Tree& tree, const Descendant& interface, const std::vector<Descendant>& descendants) {
  const auto driver = link_name(tree, interface.path + "/driver");
  if (!driver || !*driver) return {};
  if (attribute(tree, interface.path, "bInterfaceClass") == hid_class) return hid_role(tree, interface);
  const auto net = std::ranges::find_if(descendants, [&](const Descendant& found) {
    return found.subsystem == "net" && found.path.starts_with(interface.path + "/");
  });
  return net == descendants.end() ? std::string{} : "network interface " + net->name;
}

}  // namespace

bool is_usb_function(const Tree& tree, const Descendant& descendant) {
  if (descendant.subsystem != "usb" || is_interface(descendant)) return false;
  return attribute(tree, descendant.path, "bDeviceClass") != hub_class;
}

std::vector<Use> usb_uses(const Tree& tree, const std::vector<Descendant>& descendants) {
  std::vector<Use> uses;
  for (const auto& found : descendants) {
    if (!is_interface(found)) continue;
    const auto role = role_of(tree, found, descendants);
    if (role.empty()) continue;
    uses.push_back(
        {.kind = UseKind::UsbInUse, .path = {found.name}, .subject = product_of(tree, found) + " (" + role + ")"});
  }
  return uses;
}

}  // namespace devbindd::sysfs
