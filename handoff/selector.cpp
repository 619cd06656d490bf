#include "handoff/selector.hpp"

#include <algorithm>
#include <charconv>

namespace devbindd::handoff {
namespace {

template <class T>
bool fits(const std::optional<T>& wanted, const std::optional<T>& value) {
  return !wanted || wanted == value;
}

// "16.0 GT/s PCIe"
double speed_from(const std::string& text) {
  double speed = 0;
  std::from_chars(text.data(), text.data() + text.size(), speed);
  return speed;
}

// Chipset parts of other kinds, among them such as are made for VFIO (DMA engines, CXL memory, NTB).
bool is_system_device(const sysfs::Device& device) {
  const auto base = device.class_code >> 16U;
  return base == 0x05 || base == 0x06 || base == 0x08 || device.class_code >> 8U == 0x0c05;
}

// Says which it means, and does not only have nothing against it.
bool names_devices(const Selector& selector) {
  return selector.address || selector.device || selector.subsystem_device || !selector.class_prefix.empty() ||
         !selector.category.empty();
}

bool fits_in_all(const Selector& selector, const sysfs::Device& device) {
  const auto driver = device.driver ? device.driver->text() : std::string("none");
  return fits(selector.address, std::optional(device.address)) && fits(selector.vendor, std::optional(device.vendor)) &&
         fits(selector.device, std::optional(device.device)) &&
         fits(selector.subsystem_vendor, std::optional(device.subsystem_vendor)) &&
         fits(selector.subsystem_device, std::optional(device.subsystem_device)) &&
         sysfs::class_text(device).starts_with(selector.class_prefix) &&
         (selector.category.empty() || selector.category == sysfs::category(device)) &&
         (selector.driver.empty() || selector.driver == driver) && fits(selector.numa_node, device.numa_node) &&
         fits(selector.physfn, device.physfn);
}

}  // namespace

bool has_labels(const Labels& labels, const Labels& wanted) {
  return std::ranges::all_of(wanted, [&labels](const auto& entry) {
    const auto found = labels.find(entry.first);
    return found != labels.end() && found->second == entry.second;
  });
}

bool needs_facts(const Selector& selector) { return !selector.label.empty() || selector.link_speed; }

std::string mismatch(const Selector& selector, const sysfs::DeviceFacts& facts) {
  if (!selector.label.empty() && facts.label != selector.label)
    return "the firmware's name for it is " + (facts.label ? "'" + *facts.label + "'" : std::string("not known"));
  if (!selector.link_speed) return {};
  const auto speed = facts.link && facts.link->current_speed ? *facts.link->current_speed : std::string("unknown");
  return speed_from(speed) < *selector.link_speed ? "the speed of its link is " + speed : std::string{};
}

std::string root_of(const sysfs::Device& device) {
  constexpr std::string_view bus = "/pci";
  const auto start = device.sysfs_path.find(bus, std::string_view("/sys/devices").size());
  if (start == std::string::npos) return {};
  const auto first = device.sysfs_path.find('/', start + 1);
  if (first == std::string::npos) return {};
  return device.sysfs_path.substr(first + 1, device.sysfs_path.find('/', first + 1) - first - 1);
}

bool may_take_along(const Selector& selector, const sysfs::Device& device) {
  if (sysfs::holds_host_together(device)) return false;
  return !is_system_device(device) || (names_devices(selector) && fits_in_all(selector, device));
}

bool matches(const Selector& selector, const sysfs::Device& device) {
  return may_take_along(selector, device) && fits_in_all(selector, device);
}

}  // namespace devbindd::handoff
