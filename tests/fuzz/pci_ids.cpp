// SPDX-License-Identifier: Apache-2.0
// The text of a pci.ids file.
#include "sysfs/device/device_names.hpp"

#include "tests/fuzz/fuzz.hpp"

using namespace devbindd;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto ids = sysfs::parse_pci_ids(std::string(fuzz::text_of(data, size)));
  for (const auto& [id, name] : ids.vendors.entries()) fuzz::must(!name.empty() && ids.vendors.find(id) == name);
  for (const auto& [id, name] : ids.devices.entries())
    fuzz::must(!name.empty() && ids.vendors.find(static_cast<std::uint16_t>(id >> 16)));
  for (const auto& [id, name] : ids.subclasses.entries())
    fuzz::must(!name.empty() && ids.classes.find(static_cast<std::uint8_t>(id >> 8)));
  return 0;
}
