// SPDX-License-Identifier: Apache-2.0
// Records of /dev/kmsg.
#include "sysfs/kernel/kernel_log.hpp"

#include "tests/fuzz/fuzz.hpp"

using namespace devbindd;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto line = sysfs::parse_kernel_log_record(fuzz::text_of(data, size));
  if (line) fuzz::must(line->find('\n') == std::string::npos && line->size() < size);
  return 0;
}
