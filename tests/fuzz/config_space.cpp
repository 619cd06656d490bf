// SPDX-License-Identifier: Apache-2.0
// A configuration space as a device gives it: a device may hold anything. The first byte chooses what is known of its
// size.
#include <algorithm>
#include <set>

#include "sysfs/config_space/capabilities.hpp"
#include "tests/fuzz/fuzz.hpp"

namespace {

using namespace devbindd::sysfs;
using devbindd::fuzz::must;

// Every place is visited once at most, and no capability reaches out of what was read.
void check_list(const ConfigSpace& config, const std::optional<std::vector<Capability>>& list) {
  if (!list) return;
  std::set<std::size_t> offsets;
  for (const auto& capability : *list) {
    const auto& header = capability.header;
    must(offsets.insert(header.offset).second);
    must(header.offset + header.bytes.size() <= config.bytes.size());
    must(header.bytes.data() == config.bytes.data() + header.offset);
    must(!capability.fields || !capability.name.empty());
    must(header.next % 4 == 0 && header.next < extended_bytes);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  ConfigSpace config;
  const auto* bytes = reinterpret_cast<const std::byte*>(data);
  config.bytes.assign(bytes + 1, bytes + std::min(size, extended_bytes + 1));
  if (data[0] % 3 == 1) config.file_size = conventional_bytes;
  if (data[0] % 3 == 2) config.file_size = extended_bytes;
  const auto report = decode_capabilities(config);
  check_list(config, report.standard);
  check_list(config, report.extended);
  must(report.problems.size() <= 2);
  must(report.standard || !report.problems.empty());
  const auto header = decode_header(config);
  must(config.bytes.size() < header_bytes || !header.fields.empty());
  (void)missing_reason(config);
  return 0;
}
