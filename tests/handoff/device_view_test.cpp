// SPDX-License-Identifier: Apache-2.0
// What of the host's news counts, and for how long.
#include "handoff/operation/device_view.hpp"

#include "tests/catch2.hpp"
#include "tests/handoff/facts.hpp"
#include "tests/handoff/stage.hpp"

namespace devbindd::device_view_test {

using namespace devbindd;
using namespace devbindd::tests;

TEST_CASE("News of the network count until it has settled: a link's routes go after it was told", "[device_view]") {
  Stage stage{usual_machine()};
  const auto& view = stage.engine->view();
  REQUIRE(stage.engine->current());
  const auto quiet = view.network_generation();
  REQUIRE(stage.engine->current());
  CHECK(view.network_generation() == quiet);
  stage.engine->take({.events = {}, .network = {.changed = true}});
  const auto told = view.network_generation();
  CHECK(told > quiet);
  REQUIRE(stage.engine->current());
  CHECK(view.network_generation() > told);
}

TEST_CASE("A node that has come, gone or changed counts once", "[device_view]") {
  Stage stage{usual_machine()};
  const auto& view = stage.engine->view();
  const auto before = view.node_generation();
  stage.engine->take({.events = {}, .nodes = true});
  CHECK(view.node_generation() == before + 1);
  REQUIRE(stage.engine->current());
  CHECK(view.node_generation() == before + 1);
}

TEST_CASE("What was lost counts as everything", "[device_view]") {
  Stage stage{usual_machine()};
  const auto& view = stage.engine->view();
  const auto& inventory = stage.engine->services().inventory;
  const auto nodes = view.node_generation();
  const auto network = view.network_generation();
  const auto drivers = inventory.driver_generation();
  stage.engine->take({.events = {}, .lost = true});
  CHECK(view.node_generation() > nodes);
  CHECK(view.network_generation() > network);
  CHECK(inventory.driver_generation() > drivers);
}

TEST_CASE("The mark of a device changes with it, and with each change of it that is accepted", "[device_view]") {
  Stage stage{usual_machine()};
  const auto address = at("0000:05:00.0");
  REQUIRE(stage.engine->current());
  const auto mark = stage.engine->change_mark(address);
  REQUIRE(stage.engine->current());
  CHECK(stage.engine->change_mark(address) == mark);
  REQUIRE(stage.kernel.write("sys/bus/pci/drivers/e1000e/unbind", "0000:05:00.0"));
  REQUIRE(stage.engine->current());
  CHECK(stage.engine->change_mark(address) > mark);
}

}  // namespace devbindd::device_view_test
