// SPDX-License-Identifier: Apache-2.0
// What documents for several consumers have in common: nodes, variables, names.
#include "api/render/handover_parts.hpp"

#include <nlohmann/json.hpp>

#include "api/render/cdi_names.hpp"
#include "api/render/handover_environment.hpp"
#include "tests/catch2.hpp"

namespace devbindd::handover_parts_test {

using namespace devbindd::api;

namespace {

HandedDevice function(unsigned number, unsigned group) {
  HandedDevice made;
  made.address = sysfs::parse_pci_address("0000:3b:00." + std::to_string(number)).value();
  made.iommu_group = group;
  made.group_node = "/dev/vfio/" + std::to_string(group);
  made.device_node = "/dev/vfio/devices/vfio" + std::to_string(number);
  return made;
}

Handover handed(std::vector<HandedDevice> devices, std::vector<HandedDevice> companions = {}) {
  return {.claim = "c1", .devices = std::move(devices), .companions = std::move(companions)};
}

std::vector<std::string> host_paths(const std::vector<Node>& nodes) {
  std::vector<std::string> paths;
  for (const auto& node : nodes) paths.push_back(node.host_path);
  return paths;
}

}  // namespace

TEST_CASE("no node is named twice, and the backend's own comes first", "[api][handover_parts]") {
  auto handover = handed({function(0, 24), function(1, 24)}, {function(2, 24)});
  CHECK(host_paths(all_nodes(handover)) == std::vector<std::string>{"/dev/vfio/vfio", "/dev/vfio/24"});
  handover.backend = Backend::Iommufd;
  CHECK(host_paths(all_nodes(handover)) == std::vector<std::string>{"/dev/iommu", "/dev/vfio/devices/vfio0",
                                                                    "/dev/vfio/devices/vfio1",
                                                                    "/dev/vfio/devices/vfio2"});
}

TEST_CASE("what does not exist is no node", "[api][handover_parts]") {
  auto without = function(0, 24);
  without.group_node = "";
  CHECK(all_nodes(handed({without})).empty());
}

TEST_CASE("in a container a group without IOMMU is where every consumer looks for it", "[api][handover_parts]") {
  auto without = function(0, 3);
  without.group_node = "/dev/vfio/noiommu-3";
  const auto nodes = nodes_of({without}, Backend::Group);
  REQUIRE(nodes.size() == 1);
  CHECK(nodes.front().path == "/dev/vfio/3");
  CHECK(nodes.front().host_path == "/dev/vfio/noiommu-3");
}

TEST_CASE("the token is there only for virtual functions", "[api][handover_parts]") {
  auto handover = handed({function(0, 24)});
  handover.vf_token = "3f8e1c52";
  CHECK(token_of(handover).empty());
  handover.devices.front().virtual_function = true;
  CHECK(token_of(handover) == "3f8e1c52");
}

TEST_CASE("variables of one resource are one, and a shell takes every name", "[api][handover_environment]") {
  auto odd = function(2, 25);
  odd.resource_name = "fast-net.x";
  const auto variables = address_variables(handed({function(1, 24), odd, function(0, 24)}));
  REQUIRE(variables.size() == 2);
  CHECK(variables[0].name == "PCIDEVICE_DEVBINDD_VFIO");
  CHECK(variables[0].value == "0000:3b:00.1,0000:3b:00.0");
  CHECK(variables[1].name == "PCIDEVICE_DEVBINDD_FAST_NET_X");
}

TEST_CASE("names for container runtimes are DNS labels behind the claim's id", "[api][cdi_names]") {
  const auto handover = handed({function(0, 24), function(1, 24)}, {function(2, 24)});
  CHECK(cdi_names(handover) ==
        std::vector<std::string>{"devbindd.io/vfio=c1-pci-0000-3b-00-0", "devbindd.io/vfio=c1-pci-0000-3b-00-1"});
}

}  // namespace devbindd::handover_parts_test
