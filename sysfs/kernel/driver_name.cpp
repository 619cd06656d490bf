// SPDX-License-Identifier: Apache-2.0
#include "sysfs/kernel/driver_name.hpp"

#include <algorithm>

namespace devbindd::sysfs {

Result<DriverName> DriverName::parse(std::string_view text) {
  const auto allowed = [](char c) { return c >= ' ' && c <= '~' && c != '/'; };
  const bool ok = !text.empty() && text.size() <= 63 && std::ranges::all_of(text, allowed) && text.front() != ' ' &&
                  text.back() != ' ' && text != "." && text != "..";
  if (!ok) {
    return fail(ErrorCode::InvalidName,
                "not a driver name: expected 1 to 63 printable characters without '/', as below /sys/bus/pci/drivers");
  }
  return DriverName(text);
}

bool is_vfio_driver(const DriverName& name) {
  const auto& text = name.text();
  return text == "vfio-pci" || text.ends_with("-vfio-pci") || text.ends_with("_vfio_pci");
}

bool manages_dma(const DriverName& name) {
  return is_vfio_driver(name) || name.text() == "pci-stub" || name.text() == "pcieport";
}

}  // namespace devbindd::sysfs
