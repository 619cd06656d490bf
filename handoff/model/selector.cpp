// SPDX-License-Identifier: Apache-2.0
#include "handoff/model/selector.hpp"

#include <algorithm>
#include <charconv>

namespace devbindd::handoff {
namespace {

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
  return selector.address || selector.device || selector.subsystem_device || selector.class_prefix || selector.category;
}

bool fits_class(const Selector& selector, const sysfs::Device& device) {
  const auto text = sysfs::class_text(device);
  const auto begins = [&text](const std::string& prefix) { return text.starts_with(prefix); };
  return !selector.class_prefix || std::ranges::any_of(selector.class_prefix.values, begins);
}

}  // namespace

bool fits(const Selector& selector, const sysfs::Device& device) {
  const auto driver_of = [](const sysfs::Device& bound) {
    return bound.driver ? bound.driver->text() : std::string("none");
  };
  return selector.address.fits(device.address) && selector.vendor.fits(device.vendor) &&
         selector.device.fits(device.device) && selector.subsystem_vendor.fits(device.subsystem_vendor) &&
         selector.subsystem_device.fits(device.subsystem_device) && fits_class(selector, device) &&
         selector.category.fits(std::string(sysfs::category(device))) && selector.driver.fits(driver_of(device)) &&
         selector.numa_node.fits(device.numa_node) && selector.iommu_group.fits(device.iommu_group) &&
         selector.physfn.fits(device.physfn);
}

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
  return !is_system_device(device) || (names_devices(selector) && fits(selector, device));
}

bool matches(const Selector& selector, const sysfs::Device& device) {
  return fits(selector, device) && may_take_along(selector, device);  // most do not fit: the cheaper question first
}

}  // namespace devbindd::handoff
