// SPDX-License-Identifier: Apache-2.0
#include "api/render/handover_command_lines.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <utility>

#include "api/render/handover_parts.hpp"
#include "sysfs/kernel/fields.hpp"

namespace devbindd::api {
namespace {

using nlohmann::ordered_json;
using sysfs::to_string;

ordered_json command_line(const Handover& handover, ordered_json arguments) {
  ordered_json nodes = ordered_json::array();
  for (const auto& node : all_nodes(handover)) nodes.push_back(node.host_path);
  ordered_json devices = ordered_json::array();
  for (const auto& device : handover.devices) {
    devices.push_back({{"address", to_string(device.address)},
                       {"numa_node", device.numa_node ? ordered_json(*device.numa_node) : ordered_json(nullptr)}});
  }
  return {{"arguments", std::move(arguments)},
          {"backend", name_of(handover.backend)},
          {"nodes", std::move(nodes)},
          {"devices", std::move(devices)},
          {"warnings", ordered_json::array()}};
}

void warn_guest(ordered_json& document, const Handover& handover) {
  for (const auto& device : handover.devices) {
    if (device.no_iommu) document["warnings"].push_back(not_for_guests(device));
  }
}

// The kernel asks for CAP_SYS_RAWIO at open; physical addresses are in /proc/self/pagemap, for CAP_SYS_ADMIN only.
void warn_process(ordered_json& document, const Handover& handover) {
  for (const auto& device : handover.devices) {
    if (!device.no_iommu) continue;
    document["warnings"].push_back(to_string(device.address) +
                                   " has no IOMMU: the process needs CAP_SYS_RAWIO to open its node and CAP_SYS_ADMIN "
                                   "for physical addresses, and the device can then write to all memory");
  }
}

void warn_without_group(ordered_json& document, const Handover& handover, std::string_view consumer) {
  for (const auto& device : handover.devices) {
    if (!device.group_node.empty()) continue;
    document["warnings"].push_back(to_string(device.address) + " has no group node, and " + std::string(consumer) +
                                   " opens groups only");
  }
}

void warn_token(ordered_json& document, const Handover& handover, std::string_view consumer) {
  if (!token_of(handover).empty())
    document["warnings"].push_back("the virtual functions need a VF token, and " + std::string(consumer) +
                                   " has no place for one: they will not open");
}

// One token for the whole process.
void add_token(ordered_json& arguments, const Handover& handover) {
  const auto token = token_of(handover);
  if (token.empty()) return;
  arguments.push_back("--vfio-vf-token");
  arguments.push_back(token);
}

std::string qemu_token(const Handover& handover, const HandedDevice& device) {
  return device.virtual_function && !handover.vf_token.empty() ? ",vf-token=" + handover.vf_token : std::string{};
}

// QEMU's host= takes four digits of domain; sysfsdev= takes any directory.
std::string qemu_source(const HandedDevice& device) {
  const auto address = to_string(device.address);
  return device.address.domain > 0xffff ? "sysfsdev=/sys/bus/pci/devices/" + address : "host=" + address;
}

ordered_json qemu_group_arguments(const Handover& handover) {
  ordered_json arguments = ordered_json::array();
  for (const auto& device : handover.devices) {
    arguments.push_back("-device");
    arguments.push_back("vfio-pci," + qemu_source(device) + qemu_token(handover, device));
  }
  return arguments;
}

ordered_json qemu_iommufd_arguments(const Handover& handover) {
  const auto id = "iommufd-" + handover.claim;
  ordered_json arguments = {"-object", "iommufd,id=" + id};
  for (const auto& device : handover.devices) {
    arguments.push_back("-device");
    arguments.push_back("vfio-pci," + qemu_source(device) + ",iommufd=" + id + qemu_token(handover, device));
  }
  return arguments;
}

ordered_json allowed(const Handover& handover, const std::string& option) {
  ordered_json arguments = ordered_json::array();
  for (const auto& address : addresses_of(handover)) {
    arguments.push_back(option);
    arguments.push_back(address);
  }
  add_token(arguments, handover);
  return arguments;
}

bool one_driver(const Handover& handover) {
  return !handover.devices.empty() && std::ranges::all_of(handover.devices, [&](const auto& device) {
    return device.driver == handover.devices.front().driver;
  });
}

}  // namespace

HandoverText render_qemu(const Handover& handover) {
  const bool groups = handover.backend == Backend::Group;
  auto document = command_line(handover, groups ? qemu_group_arguments(handover) : qemu_iommufd_arguments(handover));
  warn_guest(document, handover);
  return json_text(document);
}

HandoverText render_cloud_hypervisor(const Handover& handover) {
  ordered_json arguments = ordered_json::array();
  if (!handover.devices.empty()) arguments.push_back("--device");
  for (const auto& address : addresses_of(handover)) arguments.push_back("path=/sys/bus/pci/devices/" + address + "/");
  auto document = command_line(handover, std::move(arguments));
  warn_guest(document, handover);
  warn_token(document, handover, "Cloud Hypervisor");
  return json_text(document);
}

HandoverText render_dpdk(const Handover& handover) {
  auto document = command_line(handover, allowed(handover, "-a"));
  warn_process(document, handover);
  warn_without_group(document, handover, "DPDK");
  return json_text(document);
}

HandoverText render_spdk(const Handover& handover) {
  auto document = command_line(handover, allowed(handover, "-A"));
  document["env"] = {{"PCI_ALLOWED", sysfs::joined(addresses_of(handover), " ")}};
  if (one_driver(handover)) {
    document["env"]["DRIVER_OVERRIDE"] = handover.devices.front().driver;
  } else {
    document["warnings"].push_back(
        "the devices have different drivers: do not run scripts/setup.sh, which would bind them all to one");
  }
  warn_process(document, handover);
  warn_without_group(document, handover, "SPDK");
  return json_text(document);
}

}  // namespace devbindd::api
