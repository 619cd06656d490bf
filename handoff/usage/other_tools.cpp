// SPDX-License-Identifier: Apache-2.0
#include "handoff/usage/other_tools.hpp"

#include <algorithm>
#include <cerrno>
#include <optional>
#include <pugixml.hpp>
#include <string_view>

#include "sysfs/kernel/fields.hpp"

namespace devbindd::handoff {
namespace {

constexpr std::size_t max_files = 4096;
constexpr std::size_t max_domain_size = 1U << 20U;
// An interface by a network of VFs stands in the running domain as `actual`.
constexpr const char* host_devices =
    "//hostdev[@type='pci']/source/address | //interface[@type='hostdev']/source/address | "
    "//actual[@type='hostdev']/source/address | //disk[@type='nvme']/source/address";

// The files of a folder whose names are `wanted`, with their contents; none where the tool is not installed. What goes
// away meanwhile is left out.
template <class Wanted, class Take>
void each_file(const sysfs::Tree& tree, const std::string& folder, OtherTools& found, Wanted wanted, Take take) {
  const auto absent = [](const sysfs::Error& error) {
    return error.errno_value == ENOENT || error.errno_value == ENOTDIR || error.errno_value == EISDIR;
  };
  auto names = tree.list(folder);
  if (!names) {
    if (!absent(names.error())) found.unreadable.push_back(names.error());
    return;
  }
  for (std::size_t at = 0; at < std::min(names->size(), max_files); ++at) {
    if (!wanted((*names)[at])) continue;
    const auto path = folder + "/" + (*names)[at];
    const auto content = tree.read(path, max_domain_size);
    if (content) take((*names)[at], "/" + path, *content);
    if (!content && !absent(content.error())) found.unreadable.push_back(content.error());
  }
}

// "pci-0000:05:00.0"; other names are of other buses.
std::optional<sysfs::PciAddress> of_driverctl(const std::string& name) {
  constexpr std::string_view bus = "pci-";
  const auto address = sysfs::parse_pci_address(name.starts_with(bus) ? name.substr(bus.size()) : std::string{});
  return address ? std::optional(*address) : std::nullopt;
}

// "0x1f" as libvirt writes it; decimal where an administrator did.
std::optional<unsigned> number_in(const pugi::xml_node& node, const char* attribute) {
  const std::string_view text = node.attribute(attribute).as_string("0");
  return text.starts_with("0x") ? sysfs::number_from<unsigned>(text.substr(2), 16) : sysfs::number_from<unsigned>(text);
}

std::optional<sysfs::PciAddress> address_in(const pugi::xml_node& node) {
  const auto domain = number_in(node, "domain");
  const auto bus = number_in(node, "bus");
  const auto slot = number_in(node, "slot");
  const auto function = number_in(node, "function");
  if (!domain || !bus || !slot || !function || *bus > 0xff || *slot > 0x1f || *function > 7) return std::nullopt;
  return sysfs::PciAddress{*domain, static_cast<std::uint8_t>(*bus), static_cast<std::uint8_t>(*slot),
                           static_cast<std::uint8_t>(*function)};
}

// A running domain stands in a file of its own beside its definition: it is named once.
void add_domain(const std::string& path, const std::string& text, OtherTools& found) {
  pugi::xml_document document;
  if (!document.load_buffer(text.data(), text.size())) return;  // one that is being written, or no domain at all
  const std::string name = document.select_node("//domain/name").node().text().as_string();
  for (const auto& selected : document.select_nodes(host_devices)) {
    const auto address = address_in(selected.node());
    if (!address) continue;
    auto& tools = found.by_device[*address];
    const bool known = std::ranges::any_of(
        tools, [&name](const OtherTool& tool) { return tool.name == "libvirt" && tool.subject == name; });
    if (!known) tools.push_back({"libvirt", path, name});
  }
}

}  // namespace

OtherTools read_other_tools(const sysfs::Tree& tree) {
  OtherTools found;
  each_file(
      tree, "etc/driverctl.d", found, [](const std::string& name) { return of_driverctl(name).has_value(); },
      [&found](const std::string& name, const std::string& path, const std::string& driver) {
        found.by_device[*of_driverctl(name)].push_back({"driverctl", path, driver});
      });
  for (const auto* folder : {"run/libvirt/qemu", "etc/libvirt/qemu"}) {
    each_file(
        tree, folder, found, [](const std::string& name) { return name.ends_with(".xml"); },
        [&found](const std::string&, const std::string& path, const std::string& text) {
          add_domain(path, text, found);
        });
  }
  return found;
}

}  // namespace devbindd::handoff
