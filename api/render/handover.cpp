// SPDX-License-Identifier: Apache-2.0
#include "api/render/handover.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <utility>

#include "sysfs/kernel/fields.hpp"

namespace devbindd::api {
namespace {

using nlohmann::ordered_json;
using sysfs::to_string;

constexpr std::string_view cdi_kind = "devbindd.io/vfio";

struct FormatName {
  HandoverFormat format;
  std::string_view name;
};

constexpr std::array format_names = {
    FormatName{HandoverFormat::Qemu, "qemu"},
    FormatName{HandoverFormat::CloudHypervisor, "cloud-hypervisor"},
    FormatName{HandoverFormat::Dpdk, "dpdk"},
    FormatName{HandoverFormat::Spdk, "spdk"},
    FormatName{HandoverFormat::LibvirtXml, "libvirt-xml"},
    FormatName{HandoverFormat::Cdi, "cdi"},
    FormatName{HandoverFormat::KubernetesDevicePlugin, "k8s-device-plugin"},
    FormatName{HandoverFormat::Nomad, "nomad"},
    FormatName{HandoverFormat::Env, "env"},
};

HandoverText json_text(const ordered_json& document) {
  return {"application/json", document.dump(2, ' ', false, ordered_json::error_handler_t::replace) + "\n"};
}

std::vector<std::string> addresses(const Handover& handover) {
  std::vector<std::string> names;
  for (const auto& device : handover.devices) names.push_back(to_string(device.address));
  return names;
}

// --- Nodes ---

struct Node {
  std::string path;  ///< where the consumer's container has it
  std::string host_path;

  bool operator==(const Node&) const = default;
};

Node same_path(const std::string& path) { return {path, path}; }

void add(std::vector<Node>& nodes, const Node& node) {
  if (std::ranges::find(nodes, node) == nodes.end()) nodes.push_back(node);
}

void add_group_node(std::vector<Node>& nodes, const HandedDevice& device) {
  if (device.group_node.empty()) return;
  const auto path = device.iommu_group ? "/dev/vfio/" + std::to_string(*device.iommu_group) : device.group_node;
  add(nodes, {path, device.group_node});
}

std::vector<HandedDevice> everything(const Handover& handover) {
  auto devices = handover.devices;
  devices.insert(devices.end(), handover.companions.begin(), handover.companions.end());
  return devices;
}

std::vector<Node> nodes_of(const std::vector<HandedDevice>& devices, Backend backend) {
  std::vector<Node> nodes;
  for (const auto& device : devices) {
    if (backend == Backend::Group) add_group_node(nodes, device);
    if (backend == Backend::Iommufd && !device.device_node.empty()) add(nodes, same_path(device.device_node));
  }
  return nodes;
}

// A node that does not exist would make a container fail to start.
std::vector<Node> all_nodes(const Handover& handover) {
  auto nodes = nodes_of(everything(handover), handover.backend);
  if (!nodes.empty())
    nodes.insert(nodes.begin(), same_path(handover.backend == Backend::Group ? "/dev/vfio/vfio" : "/dev/iommu"));
  return nodes;
}

// --- Environment ---

struct Variable {
  std::string name;
  std::string value;
};

// Upper case, and '_' for whatever a shell would not take in a name.
std::string env_word(std::string_view text) {
  std::string word;
  for (const char c : text) {
    const bool lower = c >= 'a' && c <= 'z';
    const bool kept = (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    word += lower ? static_cast<char>(c - 'a' + 'A') : kept ? c : '_';
  }
  return word;
}

std::string address_variable(const HandedDevice& device) {
  return "PCIDEVICE_DEVBINDD_" + env_word(device.resource_name.empty() ? "vfio" : device.resource_name);
}

// Names as sriov-network-device-plugin makes them: PCIDEVICE_<PREFIX>_<RESOURCE>=address,address.
std::vector<Variable> address_variables(const Handover& handover) {
  std::vector<Variable> variables;
  for (const auto& device : handover.devices) {
    const auto name = address_variable(device);
    const auto known = std::ranges::find(variables, name, &Variable::name);
    if (known == variables.end()) {
      variables.push_back({name, to_string(device.address)});
    } else {
      known->value += "," + to_string(device.address);
    }
  }
  return variables;
}

// The token that the claim's virtual functions need, "" where none of them is one.
std::string token_of(const Handover& handover) {
  return std::ranges::any_of(handover.devices, &HandedDevice::virtual_function) ? handover.vf_token : std::string{};
}

ordered_json envs(const Handover& handover) {
  ordered_json object = ordered_json::object();
  for (const auto& [name, value] : address_variables(handover)) object[name] = value;
  if (const auto token = token_of(handover); !token.empty()) object["DEVBINDD_VF_TOKEN"] = token;
  return object;
}

// In double quotes a shell and systemd's env-file.c unescape the same four characters and nothing else.
std::string quoted(const std::string& value) {
  constexpr std::string_view plain_characters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_./:,-";
  if (value.find_first_not_of(plain_characters) == std::string::npos) return value;
  std::string text = "\"";
  for (const char c : value) {
    if (c == '"' || c == '\\' || c == '`' || c == '$') text += '\\';
    text += c;
  }
  return text + "\"";
}

HandoverText env(const Handover& handover) {
  std::vector<std::string> nodes;
  for (const auto& node : nodes_of(handover.devices, handover.backend)) nodes.push_back(node.host_path);
  const bool groups = handover.backend == Backend::Group;
  const auto listed = sysfs::joined(nodes, " ");
  std::vector<Variable> variables = {{"DEVBINDD_CLAIM", handover.claim},
                                     {"DEVBINDD_DEVICES", sysfs::joined(addresses(handover), " ")},
                                     {"DEVBINDD_BACKEND", std::string(name_of(handover.backend))},
                                     {"DEVBINDD_GROUP_NODES", groups ? listed : ""},
                                     {"DEVBINDD_DEVICE_NODES", groups ? "" : listed},
                                     {"DEVBINDD_IOMMUFD", groups || nodes.empty() ? "" : "/dev/iommu"}};
  for (auto& variable : address_variables(handover)) variables.push_back(std::move(variable));
  if (auto token = token_of(handover); !token.empty()) variables.push_back({"DEVBINDD_VF_TOKEN", std::move(token)});
  std::string text;
  for (const auto& [name, value] : variables) text += name + "=" + quoted(value) + "\n";
  return {"text/plain; charset=utf-8", text};
}

// --- Command lines ---

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

std::string not_for_guests(const HandedDevice& device) {
  return to_string(device.address) +
         " has no IOMMU: a virtual machine cannot get it, since VFIO's no-IOMMU mode does not map a guest's memory";
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

HandoverText qemu(const Handover& handover) {
  const bool groups = handover.backend == Backend::Group;
  auto document = command_line(handover, groups ? qemu_group_arguments(handover) : qemu_iommufd_arguments(handover));
  warn_guest(document, handover);
  return json_text(document);
}

HandoverText cloud_hypervisor(const Handover& handover) {
  ordered_json arguments = ordered_json::array();
  if (!handover.devices.empty()) arguments.push_back("--device");
  for (const auto& address : addresses(handover)) arguments.push_back("path=/sys/bus/pci/devices/" + address + "/");
  auto document = command_line(handover, std::move(arguments));
  warn_guest(document, handover);
  warn_token(document, handover, "Cloud Hypervisor");
  return json_text(document);
}

ordered_json allowed(const Handover& handover, const std::string& option) {
  ordered_json arguments = ordered_json::array();
  for (const auto& address : addresses(handover)) {
    arguments.push_back(option);
    arguments.push_back(address);
  }
  add_token(arguments, handover);
  return arguments;
}

HandoverText dpdk(const Handover& handover) {
  auto document = command_line(handover, allowed(handover, "-a"));
  warn_process(document, handover);
  warn_without_group(document, handover, "DPDK");
  return json_text(document);
}

bool one_driver(const Handover& handover) {
  return !handover.devices.empty() && std::ranges::all_of(handover.devices, [&](const auto& device) {
    return device.driver == handover.devices.front().driver;
  });
}

HandoverText spdk(const Handover& handover) {
  auto document = command_line(handover, allowed(handover, "-A"));
  document["env"] = {{"PCI_ALLOWED", sysfs::joined(addresses(handover), " ")}};
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

// --- libvirt ---

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

HandoverText libvirt_xml(const Handover& handover) {
  if (handover.devices.size() == 1) return {"application/xml", hostdev(handover, handover.devices.front(), "")};
  std::string text = "<devices>\n";
  for (const auto& device : handover.devices) text += hostdev(handover, device, "  ");
  return {"application/xml", text + "</devices>\n"};
}

// --- Containers ---

std::string cdi_device_name(const Handover& handover, const HandedDevice& device) {
  return handover.claim + "-" + k8s_name(device.address);
}

// The nodes of a device and of its companions, as far as they depend on the device.
std::vector<Node> own_nodes(const Handover& handover, const HandedDevice& device) {
  std::vector<HandedDevice> members = {device};
  for (const auto& companion : handover.companions) {
    if (companion.iommu_group && companion.iommu_group == device.iommu_group) members.push_back(companion);
  }
  return nodes_of(members, handover.backend);
}

// True for a node that exactly one requested device needs. All others go to the edits that any of them brings: two
// members of a group go to one consumer anyway, since a group has one opener.
bool belongs_to_one(const Handover& handover, const Node& node) {
  return 1 == std::ranges::count_if(handover.devices, [&](const auto& device) {
           const auto nodes = own_nodes(handover, device);
           return std::ranges::find(nodes, node) != nodes.end();
         });
}

ordered_json cdi_nodes(const std::vector<Node>& nodes) {
  ordered_json list = ordered_json::array();
  for (const auto& node : nodes) {
    ordered_json entry = {{"path", node.path}};
    if (node.host_path != node.path) entry["hostPath"] = node.host_path;
    entry["permissions"] = "rw";
    list.push_back(std::move(entry));
  }
  return list;
}

ordered_json cdi_device(const Handover& handover, const HandedDevice& device) {
  auto nodes = own_nodes(handover, device);
  std::erase_if(nodes, [&](const auto& node) { return !belongs_to_one(handover, node); });
  const auto address = to_string(device.address);
  ordered_json edits = {{"env", {address_variable(device) + "_" + env_word(address) + "=" + address}}};
  if (!nodes.empty()) edits["deviceNodes"] = cdi_nodes(nodes);
  return {{"name", cdi_device_name(handover, device)}, {"containerEdits", std::move(edits)}};
}

HandoverText cdi(const Handover& handover) {
  ordered_json devices = ordered_json::array();
  for (const auto& device : handover.devices) devices.push_back(cdi_device(handover, device));
  auto common = all_nodes(handover);
  std::erase_if(common, [&](const auto& node) { return belongs_to_one(handover, node); });
  ordered_json document = {{"cdiVersion", "0.5.0"}, {"kind", cdi_kind}, {"devices", std::move(devices)}};
  if (const auto token = token_of(handover); !token.empty())
    document["containerEdits"]["env"] = {"DEVBINDD_VF_TOKEN=" + token};
  if (!common.empty()) document["containerEdits"]["deviceNodes"] = cdi_nodes(common);
  return json_text(document);
}

// The two orchestrators' lists differ in the names of the members only.
ordered_json device_list(const Handover& handover, const char* path, const char* host_path) {
  ordered_json list = ordered_json::array();
  for (const auto& node : all_nodes(handover)) {
    list.push_back({{path, node.path}, {host_path, node.host_path}, {"permissions", "rw"}});
  }
  return list;
}

HandoverText kubernetes_device_plugin(const Handover& handover) {
  ordered_json names = ordered_json::array();
  for (const auto& name : cdi_names(handover)) names.push_back({{"name", name}});
  return json_text({{"envs", envs(handover)},
                    {"devices", device_list(handover, "containerPath", "hostPath")},
                    {"cdiDevices", std::move(names)}});
}

HandoverText nomad(const Handover& handover) {
  return json_text({{"envs", envs(handover)},
                    {"mounts", ordered_json::array()},
                    {"devices", device_list(handover, "task_path", "host_path")}});
}

// Which node the backend lacks; nullopt when all are there.
std::optional<std::string> missing(const Handover& handover, Backend backend) {
  if (backend == Backend::Iommufd && !handover.iommufd)
    return "there is no /dev/iommu on this host: its kernel was built without iommufd, or the module is not loaded";
  const auto node = backend == Backend::Group ? &HandedDevice::group_node : &HandedDevice::device_node;
  for (const auto& device : handover.devices) {
    if (!(device.*node).empty()) continue;
    return to_string(device.address) + (backend == Backend::Group
                                            ? " has no group node: the kernel was built without CONFIG_VFIO_GROUP"
                                            : " has no node in /dev/vfio/devices: the kernel or the driver has none");
  }
  return std::nullopt;
}

}  // namespace

std::optional<HandoverFormat> handover_format_named(std::string_view name) {
  const auto found = std::ranges::find(format_names, name, &FormatName::name);
  if (found == format_names.end()) return std::nullopt;
  return found->format;
}

std::string_view name_of(HandoverFormat format) {
  const auto found = std::ranges::find(format_names, format, &FormatName::format);
  return found == format_names.end() ? std::string_view() : found->name;
}

const std::vector<HandoverFormat>& handover_formats() {
  static const auto formats = [] {
    std::vector<HandoverFormat> list;
    for (const auto& entry : format_names) list.push_back(entry.format);
    return list;
  }();
  return formats;
}

std::string_view name_of(Backend backend) { return backend == Backend::Group ? "group" : "iommufd"; }

std::optional<Backend> backend_named(std::string_view name) {
  for (const auto backend : {Backend::Group, Backend::Iommufd}) {
    if (name == name_of(backend)) return backend;
  }
  return std::nullopt;
}

bool opens_device_nodes(HandoverFormat format) {
  constexpr std::array groups_only = {HandoverFormat::CloudHypervisor, HandoverFormat::Dpdk, HandoverFormat::Spdk,
                                      HandoverFormat::LibvirtXml};
  return std::ranges::find(groups_only, format) == groups_only.end();
}

sysfs::Result<Backend> chosen_backend(const Handover& handover, HandoverFormat format, std::optional<Backend> wanted) {
  const auto missing_group = missing(handover, Backend::Group);
  // A consumer that opens groups only gets its document all the same, with a warning in it.
  if (!wanted && (!missing_group || !opens_device_nodes(format))) return Backend::Group;
  const auto backend = wanted.value_or(Backend::Iommufd);
  const auto why_not = backend == Backend::Group ? missing_group : missing(handover, Backend::Iommufd);
  if (why_not) return sysfs::fail(sysfs::ErrorCode::NodeNotFound, *why_not);
  return backend;
}

HandoverText render_handover(const Handover& handover, HandoverFormat format) {
  switch (format) {
    case HandoverFormat::Qemu: return qemu(handover);
    case HandoverFormat::CloudHypervisor: return cloud_hypervisor(handover);
    case HandoverFormat::Dpdk: return dpdk(handover);
    case HandoverFormat::Spdk: return spdk(handover);
    case HandoverFormat::LibvirtXml: return libvirt_xml(handover);
    case HandoverFormat::Cdi: return cdi(handover);
    case HandoverFormat::KubernetesDevicePlugin: return kubernetes_device_plugin(handover);
    case HandoverFormat::Nomad: return nomad(handover);
    case HandoverFormat::Env: return env(handover);
  }
  return {};
}

std::vector<std::string> cdi_names(const Handover& handover) {
  std::vector<std::string> names;
  for (const auto& device : handover.devices) {
    names.push_back(std::string(cdi_kind) + "=" + cdi_device_name(handover, device));
  }
  return names;
}

std::string k8s_name(const sysfs::PciAddress& address) {
  auto name = "pci-" + to_string(address);
  std::ranges::replace_if(
      name, [](char c) { return c == ':' || c == '.'; }, '-');
  return name;
}

}  // namespace devbindd::api
