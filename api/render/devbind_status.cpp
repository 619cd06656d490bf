// SPDX-License-Identifier: Apache-2.0
#include "api/render/devbind_status.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdio>
#include <optional>
#include <string_view>

#include "sysfs/kernel/fields.hpp"

namespace devbindd::api {
namespace {

/// One dictionary of the script: a base class, and where given a vendor with some of its devices.
struct Filter {
  unsigned base_class = 0;
  std::optional<unsigned> vendor;
  std::vector<std::string_view> devices;  ///< as lspci prints them
};

struct DeviceType {
  std::string_view name;
  std::vector<Filter> filters;
};

/// What the script holds of one device when it prints it.
struct Entry {
  const DevbindDevice* device = nullptr;
  std::string label;  ///< address, name and ID
  std::optional<std::string> driver;
  std::string unused;
  bool active = false;
};

// The script's types in the order in which it prints them; network has to stay the first.
const std::vector<DeviceType>& device_types() {
  static const std::vector<DeviceType> types{
      {"Network",
       {{0x02, {}, {}}, {0x08, 0x177d, {"a0dd", "a049"}}, {0x05, 0x1af4, {"1110"}}, {0x12, 0x8086, {"0b30"}}}},
      {"Baseband", {{0x12, {}, {}}}},
      {"Crypto", {{0x10, {}, {}}, {0x0b, 0x8086, {}}}},
      {"DMA",
       {{0x08, 0x177d, {"a081"}},
        {0x08, 0x19e5, {"a122"}},
        {0x08, 0x8086, {"0b25"}},
        {0x08, 0x8086, {"6f20", "6f21", "6f22", "6f23", "6f24", "6f25", "6f26", "6f27", "6f2e", "6f2f"}},
        {0x08, 0x8086, {"0b00", "2021"}}}},
      {"Eventdev",
       {{0x08, 0x177d, {"a04b", "a04d", "a051", "a0f9", "a0fa"}}, {0x0b, 0x8086, {"270b", "2710", "2714"}}}},
      {"Mempool", {{0x08, 0x177d, {"a053", "a0fb", "a0fc"}}}},
      {"Compress", {{0x12, 0x177d, {"a037"}}}},
      {"Misc (rawdev)",
       {{0x08, 0x177d, {"a089", "a059", "a060", "a0f0", "a0f1"}},
        {0x06, 0x8086, {"201c", "347e"}},
        {0x01, 0x1af4, {"1001", "1042"}}}},
      {"Regex", {{0x08, 0x177d, {"a0f4"}}}},
  };
  return types;
}

// The script takes the value of a line as a name and an ID in brackets, also where it is one name.
std::string id_of_value(std::string_view value) {
  if (const auto blank = value.rfind(' '); blank != std::string_view::npos) value.remove_prefix(blank + 1);
  while (value.ends_with(']')) value.remove_suffix(1);
  while (value.starts_with('[')) value.remove_prefix(1);
  return std::string(value);
}

// lspci 3.9.0 has 128 bytes for the device's name and ID, and cuts the ID of a longer name.
std::string lspci_value(const DevbindDevice& device) {
  constexpr std::size_t longest = 127;
  std::array<char, 8> id{};
  std::snprintf(id.data(), id.size(), "%04x", unsigned{device.device.device});
  auto value = device.name + " [" + id.data() + "]";
  if (value.size() > longest) value.replace(longest - 3, std::string::npos, "...");
  return value;
}

std::string printed_id(const DevbindDevice& device) { return id_of_value(lspci_value(device)); }

bool matches(const DevbindDevice& device, const Filter& filter) {
  if (device.device.class_code >> 16 != filter.base_class) return false;
  if (filter.vendor && *filter.vendor != device.device.vendor) return false;
  return filter.devices.empty() || std::ranges::find(filter.devices, printed_id(device)) != filter.devices.end();
}

bool matches(const DevbindDevice& device, const DeviceType& type) {
  return std::ranges::any_of(type.filters, [&device](const Filter& filter) { return matches(device, filter); });
}

// The script fills the types one after the other, network first. A device that a later type matches too is filled
// again from nothing, and only network's turn looks at the routes.
bool is_active(const DevbindDevice& device) {
  const auto& types = device_types();
  const auto is_type = [&device](const DeviceType& type) { return matches(device, type); };
  return device.routed && is_type(types.front()) && std::none_of(types.begin() + 1, types.end(), is_type);
}

std::string label_of(const DevbindDevice& device) {
  const auto value = lspci_value(device);
  const auto name = value.substr(0, value.rfind(' '));
  return sysfs::to_string(device.device.address) + " '" + name + " " + printed_id(device) + "'";
}

// Whether a driver is listed already is a search for its letters anywhere: "vfio-pci" is in "mlx5-vfio-pci".
std::string with_userspace_drivers(const std::vector<std::string>& modules, const std::vector<std::string>& drivers) {
  std::string list;
  if (!modules.empty()) list = id_of_value(modules.back());
  for (const auto& driver : drivers) {
    if (!modules.empty() && list.find(driver) != std::string::npos) continue;
    list += (list.empty() && modules.empty() ? "" : ",") + driver;
  }
  return list;
}

// The first element that is the driver, and only that one, leaves the list.
std::string without_driver(const std::string& list, const std::string& driver) {
  const auto framed = "," + list + ",";
  const auto found = framed.find("," + driver + ",");
  if (found == std::string::npos) return list;
  auto rest = framed.substr(0, found) + framed.substr(found + driver.size() + 1);
  if (rest.size() < 2) return "";
  return rest.substr(1, rest.size() - 2);
}

Entry entry_of(const DevbindDevice& device, const std::vector<std::string>& userspace_drivers) {
  Entry entry{.device = &device,
              .label = label_of(device),
              .driver = {},
              .unused = with_userspace_drivers(device.modules, userspace_drivers),
              .active = is_active(device)};
  if (!device.device.driver) return entry;
  entry.driver = id_of_value(device.device.driver->text());
  entry.unused = without_driver(entry.unused, *entry.driver);
  return entry;
}

std::string kernel_line(const Entry& entry, bool with_interfaces) {
  const auto interfaces = with_interfaces ? "if=" + sysfs::joined(entry.device->device.interfaces, ",") + " " : "";
  return entry.label + " " + interfaces + "drv=" + *entry.driver + " unused=" + entry.unused + " " +
         (entry.active ? "*Active*" : "");
}

std::string heading(const std::string& title) { return "\n" + title + "\n" + std::string(title.size(), '=') + "\n"; }

std::string list_of(const std::string& title, std::vector<std::string> lines) {
  if (lines.empty()) return "";
  std::ranges::sort(lines);
  auto text = heading(title);
  for (const auto& line : lines) text += line + "\n";
  return text;
}

std::string section(const DeviceType& type, const std::vector<Entry>& entries,
                    const std::vector<std::string>& userspace_drivers) {
  const bool is_network = &type == &device_types().front();
  std::vector<std::string> userspace, kernel, other;
  for (const auto& entry : entries) {
    if (!matches(*entry.device, type)) continue;
    if (!entry.driver) {
      other.push_back(entry.label + " unused=" + entry.unused);
    } else if (std::ranges::find(userspace_drivers, *entry.driver) != userspace_drivers.end()) {
      userspace.push_back(entry.label + " drv=" + *entry.driver + " unused=" + entry.unused);
    } else {
      kernel.push_back(kernel_line(entry, is_network));
    }
  }
  const std::string name(type.name);
  if (userspace.empty() && kernel.empty() && other.empty()) return heading("No '" + name + "' devices detected");
  return list_of(name + " devices using DPDK-compatible driver", std::move(userspace)) +
         list_of(name + " devices using kernel driver", std::move(kernel)) +
         list_of("Other " + name + " devices", std::move(other));
}

}  // namespace

std::string devbind_status(const std::vector<DevbindDevice>& devices,
                           const std::vector<std::string>& userspace_drivers) {
  std::vector<Entry> entries;
  for (const auto& device : devices) entries.push_back(entry_of(device, userspace_drivers));
  std::string text;
  for (const auto& type : device_types()) text += section(type, entries, userspace_drivers);
  return text;
}

}  // namespace devbindd::api
