// SPDX-License-Identifier: Apache-2.0
// The network of the machine that runs the tests: only what is true on any.
#include "sysfs/use/network_state.hpp"

#include <algorithm>

#include "sysfs/kernel/linux_tree.hpp"
#include "tests/catch2.hpp"

namespace devbindd::network_state_test {

using namespace devbindd::sysfs;

TEST_CASE("The own network namespace comes first and has a loopback interface, and the caller is back in it") {
  const auto tree = LinuxTree::open("/");
  REQUIRE(tree);
  const auto before = tree->link("proc/self/ns/net").value();
  const auto state = read_network_state(*tree);
  REQUIRE(state);
  CHECK(tree->link("proc/self/ns/net").value() == before);
  REQUIRE_FALSE(state->namespaces.empty());
  const auto& own = state->namespaces.front();
  CHECK(own.name.empty());
  const auto loopback = std::ranges::find(own.interfaces, "lo", &NetworkInterface::name);
  REQUIRE(loopback != own.interfaces.end());
  CHECK(loopback->index == 1);
  CHECK(loopback->parent_device.empty());
  CHECK_FALSE(loopback->default_route);
  for (std::size_t at = 1; at < state->namespaces.size(); ++at) CHECK_FALSE(state->namespaces[at].name.empty());
}

}  // namespace devbindd::network_state_test
