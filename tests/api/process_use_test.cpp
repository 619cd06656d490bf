// SPDX-License-Identifier: Apache-2.0
// What this process takes, as /proc says.
#include "api/render/process_use.hpp"

#include <unistd.h>

#include <chrono>

#include "sysfs/kernel/linux_tree.hpp"
#include "tests/catch2.hpp"

namespace devbindd::process_use_test {

using namespace devbindd::api;

TEST_CASE("The process itself is found in /proc", "[metrics]") {
  const auto tree = sysfs::LinuxTree::open("/");
  REQUIRE(tree);
  const auto use = process_use(*tree);
  REQUIRE(use);
  const auto now = std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
  CHECK(use->start_seconds < now);
  CHECK(use->start_seconds > now - std::chrono::duration<double>(std::chrono::hours(24)).count());
  CHECK(use->resident_bytes > 1'000'000);
  CHECK(use->virtual_bytes > use->resident_bytes);
  CHECK(use->threads >= 1);
  CHECK(use->most_descriptors >= use->open_descriptors);
  const int descriptor = ::dup(0);
  CHECK(process_use(*tree)->open_descriptors == use->open_descriptors + 1);
  ::close(descriptor);
}

}  // namespace devbindd::process_use_test
