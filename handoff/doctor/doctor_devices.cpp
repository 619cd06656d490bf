// SPDX-License-Identifier: Apache-2.0
#include "handoff/doctor/doctor_checks.hpp"

#include <functional>
#include <utility>

#include "handoff/doctor/doctor_words.hpp"
#include "sysfs/kernel/fields.hpp"

namespace devbindd::handoff {
namespace {

using sysfs::Device;
using sysfs::joined;

std::vector<const Device*> devices_that(const HostFacts& facts, const std::function<bool(const Device&)>& are) {
  std::vector<const Device*> found;
  for (const auto& device : facts.devices) {
    if (are(device)) found.push_back(&device);
  }
  return found;
}

// Without bridges, and without what no driver exists for on healthy hosts: RAM and flash controllers, system
// peripherals (IOMMUs among them), signal processing, instrumentation, and functions without a class.
bool wants_driver(const Device& device) {
  switch (device.class_code >> 16) {
    case 0x00:
    case 0x06:
    case 0x08:
    case 0x11:
    case 0x13:
    case 0xff: return false;
    case 0x05: return (device.class_code >> 8 & 0xffU) == 0x02;  // CXL memory
    default: return true;
  }
}

}  // namespace

Check check_uio(const HostFacts& facts) {
  const std::string id = "drivers.uio";
  const std::string title = "UIO drivers";
  const auto bound = devices_that(facts, [](const Device& device) {
    return device.driver && (device.driver->text() == "uio_pci_generic" || device.driver->text() == "igb_uio");
  });
  if (facts.uio_drivers.empty() && bound.empty()) return passed(id, title, "None is loaded.");
  return {id, Verdict::Warn, title,
          (bound.empty() ? joined(facts.uio_drivers) + " is loaded." : "UIO drivers have " + named(bound) + ".") +
              " A device on UIO reaches all memory, and keeps its IOMMU group from VFIO.",
          "Bind the devices to vfio-pci instead, then unload the UIO driver."};
}

Check check_driverless(const HostFacts& facts) {
  const std::string id = "devices.driverless";
  const std::string title = "Devices without a driver";
  const auto found = devices_that(
      facts, [](const Device& device) { return !device.driver && !device.physfn && wants_driver(device); });
  if (found.empty()) return passed(id, title, "None, apart from bridges and system devices.");
  return {id, Verdict::Warn, title, counted(found.size(), "device") + " without a driver: " + named(found) + ".",
          "If one of them was meant to be in use, bind it; a driver may have failed (journalctl -k -b)."};
}

// An override that names another driver than the device has keeps every driver but that one away, silently.
Check check_overrides(const HostFacts& facts) {
  const std::string id = "devices.overrides";
  const std::string title = "Driver overrides";
  if (!facts.overrides) {
    return {id, Verdict::Warn, title, "They could not be read: the kernel is busy with a device and holds its lock.",
            "Look for an unbind, bind or reset that has not returned."};
  }
  std::vector<std::string> stale;
  for (const auto& device : facts.devices) {
    const auto found = facts.overrides->find(device.address);
    if (found == facts.overrides->end() || (device.driver && device.driver->text() == found->second)) continue;
    stale.push_back(sysfs::to_string(device.address) + " (" + found->second + ")");
  }
  if (stale.empty()) return passed(id, title, facts.overrides->empty() ? "None." : "Each names the driver in use.");
  const auto count = stale.size();
  if (count > max_named) stale.resize(max_named);
  return {id, Verdict::Warn, title,
          counted(count, "device") + " may only have a driver that does not have it now: " + joined(stale) + ".",
          "DELETE /v1/devices/ADDRESS/driver-override, if nobody means it to be so (driverctl does, on purpose)."};
}

// The link to the driver goes away at the start of an unbind, the device is disabled near its end. Bridges are enabled
// for what is below them, and IOMMUs by the IOMMU's driver, both without a driver of their own.
Check check_unbinding(const HostFacts& facts) {
  const std::string id = "devices.unbinding";
  const std::string title = "Unbinds that hang";
  const auto found = devices_that(facts, [](const Device& device) {
    return !device.driver && device.enable_count.value_or(0) > 0 && wants_driver(device);
  });
  if (found.empty()) return passed(id, title, "None.");
  return {id, Verdict::Fail, title,
          counted(found.size(), "device") + " without a driver, but still enabled: " + named(found) +
              ". An unbind waits in the kernel until somebody closes the device.",
          "Find who has it open (its operation names them, or fuser /dev/vfio/*) and end that program."};
}

}  // namespace devbindd::handoff
