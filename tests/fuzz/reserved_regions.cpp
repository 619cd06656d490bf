// SPDX-License-Identifier: Apache-2.0
// The reserved_regions file of an IOMMU group.
#include <algorithm>

#include "sysfs/iommu/iommu_group.hpp"
#include "tests/fuzz/fuzz.hpp"

using namespace devbindd::sysfs;
using devbindd::fuzz::must;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto text = devbindd::fuzz::text_of(data, size);
  const auto regions = parse_reserved_regions(text);
  must(regions.size() <= static_cast<std::size_t>(std::ranges::count(text, '\n')) + 1);
  for (const auto& region : regions) {
    must(!region.kind.empty() && region.kind.find('\n') == std::string::npos);
    must(text.find(region.kind) != std::string_view::npos);
  }
  return 0;
}
