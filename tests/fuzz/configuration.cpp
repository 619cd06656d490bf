// SPDX-License-Identifier: Apache-2.0
// The configuration file: whatever stands in it, the daemon stays on the loopback and on absolute paths.
#include "daemon/configuration.hpp"

#include "tests/fuzz/fuzz.hpp"

using namespace devbindd;
using fuzz::must;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto configuration = daemon::parse_configuration(fuzz::text_of(data, size));
  if (!configuration) {
    must(!configuration.error().message.empty());
    return 0;
  }
  must(configuration->unix_path.starts_with('/') && configuration->state_directory.starts_with('/'));
  must(configuration->unix_mode <= 07777U && configuration->step_deadline.count() >= 1);
  if (configuration->tcp)
    must(configuration->tcp->address.starts_with("127.") || configuration->tcp->address.ends_with('1'));
  return 0;
}
