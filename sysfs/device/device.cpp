// SPDX-License-Identifier: Apache-2.0
#include "sysfs/device/device.hpp"

#include <algorithm>
#include <array>
#include <cstdio>

#include "sysfs/kernel/fields.hpp"
#include "sysfs/kernel/paths.hpp"

namespace devbindd::sysfs {
namespace {

template <class Number>
std::optional<Number> number(std::string_view text, int base) {
  if (base == 16 && text.starts_with("0x")) text.remove_prefix(2);
  return number_from<Number>(text, base);
}

// Attributes that not every device or kernel has: absent is normal, and a device that vanishes between two reads
// is noticed by the mandatory ones.
template <class Number>
std::optional<Number> optional_number(const Tree& tree, std::string_view path, int base) {
  const auto content = tree.read(path);
  if (!content) return std::nullopt;
  return number<Number>(*content, base);
}

template <class Number>
Result<Number> mandatory_number(const Tree& folder, std::string_view name, const PciAddress& address) {
  auto content = folder.read(name);
  if (!content) return std::unexpected(content.error());
  const auto value = number<Number>(*content, 16);
  if (value) return *value;
  const auto path = "/" + paths::attribute(address, name);
  return fail(ErrorCode::Kernel, path + " does not hold a number", 0, path);
}

bool contains(const std::vector<std::string>& names, std::string_view name) {
  return std::ranges::find(names, name) != names.end();
}

// `folders`: those of the device.
std::vector<std::string> network_interfaces(const Tree& folder, const std::vector<std::string>& folders) {
  if (contains(folders, "net")) return folder.list("net").value_or(std::vector<std::string>{});
  std::vector<std::string> found;
  for (const auto& child : folders) {
    if (!child.starts_with("virtio")) continue;
    if (auto names = folder.list(child + "/net")) found.insert(found.end(), names->begin(), names->end());
  }
  return found;
}

std::optional<PciAddress> linked_device(const Tree& folder, const std::string& path) {
  const auto name = link_name(folder, path);
  if (!name || !*name) return std::nullopt;
  const auto address = parse_pci_address(**name);
  if (!address) return std::nullopt;
  return *address;
}

std::vector<PciAddress> virtual_functions(const Tree& folder, std::optional<unsigned> total) {
  std::vector<PciAddress> functions;
  for (unsigned index = 0; index < total.value_or(0); ++index) {
    const auto function = linked_device(folder, "virtfn" + std::to_string(index));
    if (!function) break;
    functions.push_back(*function);
  }
  return functions;
}

Result<> read_ids(const Tree& folder, Device& device) {
  auto vendor = mandatory_number<std::uint16_t>(folder, "vendor", device.address);
  if (!vendor) return std::unexpected(vendor.error());
  auto id = mandatory_number<std::uint16_t>(folder, "device", device.address);
  if (!id) return std::unexpected(id.error());
  auto class_code = mandatory_number<std::uint32_t>(folder, "class", device.address);
  if (!class_code) return std::unexpected(class_code.error());
  device.vendor = *vendor;
  device.device = *id;
  device.class_code = *class_code;
  device.subsystem_vendor = optional_number<std::uint16_t>(folder, "subsystem_vendor", 16).value_or(0);
  device.subsystem_device = optional_number<std::uint16_t>(folder, "subsystem_device", 16).value_or(0);
  device.revision = static_cast<std::uint8_t>(optional_number<unsigned>(folder, "revision", 16).value_or(0));
  return {};
}

Result<> read_binding(const Tree& folder, Device& device) {
  auto driver = link_name(folder, "driver");
  if (!driver) return std::unexpected(driver.error());
  if (*driver) {
    auto name = DriverName::parse(**driver);
    if (!name) return std::unexpected(name.error());
    device.driver = *name;
    if (const auto module = link_name(folder, "driver/module"); module && *module) device.module = **module;
  }
  auto group = link_name(folder, "iommu_group");
  if (!group) return std::unexpected(group.error());
  if (*group) device.iommu_group = number<unsigned>(**group, 10);
  return {};
}

void read_rest(const Tree& folder, Device& device) {
  const auto folders = folder.directories(".").value_or(std::vector<std::string>{});
  if (contains(folders, "vfio-dev")) {
    if (const auto names = folder.list("vfio-dev"); names && !names->empty()) device.vfio_device = names->front();
  }
  device.modalias = folder.read("modalias").value_or("");
  if (const auto node = optional_number<int>(folder, "numa_node", 10); node && *node >= 0)
    device.numa_node = static_cast<unsigned>(*node);
  device.interfaces = network_interfaces(folder, folders);
  device.physfn = linked_device(folder, "physfn");
  device.sriov_totalvfs = optional_number<unsigned>(folder, "sriov_totalvfs", 10);
  device.virtfns = virtual_functions(folder, device.sriov_totalvfs);
  device.enable_count = optional_number<unsigned>(folder, "enable", 10);
  if (const auto status = folder.status("."); status && *status) device.inode = (*status)->inode;
}

std::string resolved_path(const Tree& tree, const std::string& path) {
  const auto target = tree.link(path);
  if (!target || !*target) return "/" + path;
  const auto devices = (*target)->find("devices/");
  return devices == std::string::npos ? "/" + path : "/sys/" + (*target)->substr(devices);
}

}  // namespace

Result<Device> read_device(const Tree& tree, const PciAddress& address) {
  Device device;
  device.address = address;
  const auto path = paths::device(address);
  const auto folder = tree.below(path);
  auto done = folder ? read_ids(**folder, device) : std::unexpected(folder.error());
  if (done) done = read_binding(**folder, device);
  if (!done) {
    if (exists(tree, path)) return std::unexpected(done.error());
    return fail(ErrorCode::DeviceNotFound, "there is no PCI device at " + to_string(address), 0, "/" + path);
  }
  read_rest(**folder, device);
  device.sysfs_path = resolved_path(tree, path);
  return device;
}

std::optional<unsigned> enable_count_of(const Tree& tree, const Device& device) {
  return is_vfio_bound(device) ? optional_number<unsigned>(tree, paths::attribute(device.address, "enable"), 10)
                               : device.enable_count;
}

bool is_open(const Tree& tree, const Device& device) {
  return is_vfio_bound(device) && enable_count_of(tree, device).value_or(0) > 0;
}

Result<std::vector<PciAddress>> list_devices(const Tree& tree) {
  auto names = tree.list(paths::devices);
  if (!names) return std::unexpected(names.error());
  std::vector<PciAddress> addresses;
  for (const auto& name : *names) {
    if (const auto address = parse_pci_address(name)) addresses.push_back(*address);
  }
  std::ranges::sort(addresses);
  return addresses;
}

bool is_vfio_bound(const Device& device) {
  return device.vfio_device.has_value() || (device.driver && is_vfio_driver(*device.driver));
}

bool is_pci_bridge(const Device& device) {
  const auto kind = device.class_code >> 8;
  return kind == 0x0604 || kind == 0x0607 || kind == 0x0609;
}

bool holds_host_together(const Device& device) {
  constexpr std::array kinds = {0x0500U, 0x0501U, 0x0600U, 0x0601U, 0x0602U, 0x0603U, 0x0800U,
                                0x0801U, 0x0802U, 0x0803U, 0x0804U, 0x0806U, 0x0807U, 0x0c05U};
  return std::ranges::find(kinds, device.class_code >> 8U) != kinds.end();
}

std::string_view category(const Device& device) {
  switch (device.class_code >> 16) {
    case 0x01: return "storage";
    case 0x02: return "network";
    case 0x03: return "display";
    case 0x04: return "sound";
    case 0x05: return "memory";
    case 0x06: return "bridge";
    case 0x0c: return (device.class_code >> 8) == 0x0c03 ? "usb" : "other";
    case 0x10: return "crypto";
    case 0x0b:
    case 0x12: return "accelerator";
    default: return "other";
  }
}

const std::vector<std::string_view>& categories() {
  static const std::vector<std::string_view> list = {"network", "storage", "display", "accelerator", "crypto",
                                                     "bridge",  "usb",     "sound",   "memory",      "other"};
  return list;
}

namespace {

bool hex_digits(std::string_view text, std::size_t digits) {
  return text.size() == digits && text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

}  // namespace

std::optional<std::uint16_t> id_from(std::string_view text) {
  return hex_digits(text, 4) ? number_from<std::uint16_t>(text, 16) : std::nullopt;
}

std::string class_text(const Device& device) {
  std::array<char, 8> text{};
  std::snprintf(text.data(), text.size(), "%06x", device.class_code & 0xffffffU);
  return text.data();
}

bool is_class_prefix(std::string_view text) {
  return hex_digits(text, 2) || hex_digits(text, 4) || hex_digits(text, 6);
}

std::string id_text(const Device& device) {
  std::array<char, 16> text{};
  const int length =
      std::snprintf(text.data(), text.size(), "%04x %04x", unsigned{device.vendor}, unsigned{device.device});
  return {text.data(), static_cast<std::size_t>(length)};
}

std::optional<std::string> override_from_attribute(std::string_view content) {
  if (content.empty() || content == "(null)") return std::nullopt;
  return std::string(content);
}

}  // namespace devbindd::sysfs
