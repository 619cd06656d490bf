// SPDX-License-Identifier: Apache-2.0
// A file of modprobe.d.
#include "sysfs/kernel/modprobe_lines.hpp"

#include "tests/fuzz/fuzz.hpp"

using namespace devbindd;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  unsigned last = 0;
  for (const auto& line : sysfs::parse_modprobe_file("/etc/modprobe.d/a.conf", fuzz::text_of(data, size))) {
    fuzz::must(line.number > last && !line.module.empty() && !line.command.empty());
    fuzz::must(line.command.find_first_of(" \t\n") == std::string::npos &&
               line.module.find_first_of(" \t\n") == std::string::npos);
    last = line.number;
  }
  return 0;
}
