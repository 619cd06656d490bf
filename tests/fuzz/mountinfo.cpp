// SPDX-License-Identifier: Apache-2.0
// /proc/PID/mountinfo: any user names mount points in a namespace of his own.
#include "sysfs/use/mounts.hpp"

#include "tests/fuzz/fuzz.hpp"

using namespace devbindd;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto text = fuzz::text_of(data, size);
  const auto mounts = sysfs::parse_mountinfo(text);
  fuzz::must(mounts.size() <= sysfs::lines_of(text).size());
  for (const auto& mount : mounts) fuzz::must(!mount.point.empty() && !mount.type.empty() && mount.pid == 0);
  return 0;
}
