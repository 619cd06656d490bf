// SPDX-License-Identifier: Apache-2.0
// Configuration spaces as lspci -x, -xxx and -xxxx write them, for tests.
#pragma once

#include <istream>
#include <string>
#include <vector>

#include "sysfs/config_space/config_space.hpp"

namespace devbindd::tests {

struct ConfigDump {
  std::string address;  ///< as written: "00:1f.3" or "0000:00:1f.3"
  sysfs::ConfigSpace config;
};

/// The devices of a dump. A space of 256 or 4096 bytes is taken as all there is; of a shorter one the size is unknown.
std::vector<ConfigDump> read_dumps(std::istream& text);

}  // namespace devbindd::tests
