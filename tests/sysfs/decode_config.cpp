// SPDX-License-Identifier: Apache-2.0
// Prints how devbindd decodes the configuration spaces of a dump (lspci -xxxx on standard input): one line of JSON for
// each device, as GET /v1/devices/{bdf}/config answers. For tests/sysfs/lspci_test.py.
#include <iostream>
#include <nlohmann/json.hpp>

#include "api/render/render_config.hpp"
#include "tests/sysfs/config_dumps.hpp"

int main() {
  for (const auto& dump : devbindd::tests::read_dumps(std::cin)) {
    auto document = devbindd::api::render_config(dump.config);
    document["address"] = dump.address;
    std::cout << document.dump() << "\n";
  }
  return 0;
}
