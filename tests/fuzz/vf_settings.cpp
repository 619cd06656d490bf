// SPDX-License-Identifier: Apache-2.0
// What is kept of a VF in ip-link's words.
#include "sysfs/device/vf_settings.hpp"

#include "tests/fuzz/fuzz.hpp"

using namespace devbindd;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto settings = sysfs::vf_settings_from(fuzz::text_of(data, size));
  if (!settings) return 0;
  fuzz::must(sysfs::vf_settings_from(sysfs::to_text(*settings)) == settings);
  fuzz::must(sysfs::are_as_wanted(*settings, *settings));
  fuzz::must(sysfs::difference(*settings, *settings) == sysfs::VfSettings{});
  return 0;
}
