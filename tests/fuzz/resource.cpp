// SPDX-License-Identifier: Apache-2.0
// A device's `resource` file.
#include "sysfs/device/resource.hpp"

#include <algorithm>

#include "tests/fuzz/fuzz.hpp"

using namespace devbindd::sysfs;
using devbindd::fuzz::must;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto text = devbindd::fuzz::text_of(data, size);
  const auto resources = parse_resources(text);
  if (!resources) return 0;
  const auto ends = static_cast<std::size_t>(std::ranges::count(text, '\n'));
  const auto lines = ends + (text.empty() || text.ends_with('\n') ? 0 : 1);
  const bool usual = lines <= 11 || lines == 13 || lines == 17;  // no kernel has any other number
  must(resources->size() <= lines);
  for (const auto& resource : *resources) {
    must(resource.size > 0 && resource.flags != 0);
    must(resource.start + (resource.size - 1) >= resource.start);
    must(resource.kind != ResourceKind::Rom || resource.index == 0);
    must((resource.kind != ResourceKind::Bar && resource.kind != ResourceKind::VfBar) || resource.index < 6);
    must(resource.kind != ResourceKind::BridgeWindow || resource.index < 4 || !usual);
  }
  for (unsigned index = 0; index < 7; ++index) {
    const auto* bar = find_bar(*resources, index);
    must(bar == nullptr || (bar->kind == ResourceKind::Bar && bar->index == index));
  }
  const auto* rom = find_rom(*resources);
  must(rom == nullptr || rom->kind == ResourceKind::Rom);
  return 0;
}
