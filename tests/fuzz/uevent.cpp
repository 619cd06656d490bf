// SPDX-License-Identifier: Apache-2.0
// Kernel uevents, and the addresses in their device paths.
#include "sysfs/kernel/uevent.hpp"

#include "tests/fuzz/fuzz.hpp"

using namespace devbindd;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto event = sysfs::parse_uevent(fuzz::text_of(data, size));
  if (!event) return 0;
  fuzz::must(!event->action.empty() && event->devpath.starts_with('/'));
  for (const auto& address : sysfs::addresses_in(event->devpath)) {
    fuzz::must(sysfs::parse_pci_address(sysfs::to_string(address)) == address);
  }
  return 0;
}
