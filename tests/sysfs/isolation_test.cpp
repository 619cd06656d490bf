// SPDX-License-Identifier: Apache-2.0
// Why a group is as large as it is, from configuration spaces made by hand.
#include "sysfs/device/isolation.hpp"

#include "tests/catch2.hpp"
#include "tests/handoff/requests.hpp"

namespace devbindd::isolation_test {

namespace {

using namespace devbindd::sysfs;
using devbindd::tests::at;
using Addresses = std::vector<PciAddress>;
using Configs = std::map<PciAddress, ConfigSpace>;
using Names = std::vector<std::string>;

// Device/Port Type.
constexpr unsigned endpoint = 0;
constexpr unsigned root_port = 4;
constexpr unsigned upstream_port = 5;
constexpr unsigned downstream_port = 6;
constexpr unsigned bridge_to_pci = 7;
constexpr unsigned bridge_from_pci = 8;

constexpr unsigned all_services = 0x1d;  // source validation, request and completion redirect, upstream forwarding
const Names every_service{"source_validation", "request_redirect", "completion_redirect", "upstream_forwarding"};

struct Function {
  std::optional<unsigned> type = endpoint;  // nullopt: conventional PCI
  bool bridge = false;
  bool multifunction = false;
  std::optional<unsigned> acs = {};            // what is on, nullopt: no such capability
  unsigned acs_capable = all_services | 0x2U;  // what there is
};

ConfigSpace config_of(const Function& function) {
  ConfigSpace config{.bytes = std::vector<std::byte>(4096), .file_size = 4096};
  const auto put = [&config](std::size_t offset, unsigned value, std::size_t size) {
    for (std::size_t byte = 0; byte < size; ++byte)
      config.bytes[offset + byte] = static_cast<std::byte>(value >> (8 * byte));
  };
  put(0x00, 0x10d38086, 4);
  put(0x0e, (function.multifunction ? 0x80U : 0U) | (function.bridge ? 1U : 0U), 1);
  put(0x06, 0x10, 2);
  put(0x34, 0x40, 1);
  put(0x40, function.type ? 0x5001 : 0x0001, 2);  // power management, then PCI Express
  if (function.type) {
    put(0x50, 0x10, 2);
    put(0x52, 2U | *function.type << 4U, 2);
  }
  if (function.acs) {
    put(0x100, 0x1000d, 4);
    put(0x104, function.acs_capable, 2);
    put(0x106, *function.acs, 2);
  }
  return config;
}

// "0000:00:1c.0/0000:05:00.0" below the root bus.
Device device(const std::string& path) {
  Device found;
  found.sysfs_path = "/sys/devices/pci0000:00/" + path;
  found.address = at(path.substr(path.rfind('/') + 1));
  return found;
}

Configs configs(const std::map<std::string, Function>& functions) {
  Configs found;
  for (const auto& [address, function] : functions) found.emplace(at(address), config_of(function));
  return found;
}

const Function port_without_acs{.type = root_port, .bridge = true};
const Function port_with_acs{.type = root_port, .bridge = true, .acs = all_services};

}  // namespace

TEST_CASE("A group of one needs no explanation") {
  CHECK(merges_in({}, {}).empty());
  CHECK(merges_in({device("0000:00:1c.0/0000:05:00.0")},
                  configs({{"0000:00:1c.0", port_without_acs}, {"0000:05:00.0", {.multifunction = true}}}))
            .empty());
}

TEST_CASE("Behind a bridge to conventional PCI everything has the bridge's ID") {
  const auto type = GENERATE(values<std::optional<unsigned>>({bridge_to_pci, bridge_from_pci, std::nullopt}));
  const std::vector members{device("0000:00:1e.0/0000:05:01.0"), device("0000:00:1e.0/0000:05:02.0")};
  const auto merges = merges_in(members, configs({{"0000:00:1e.0", {.type = type, .bridge = true}},
                                                  {"0000:05:01.0", {.type = std::nullopt}},
                                                  {"0000:05:02.0", {.type = std::nullopt}}}));
  CHECK(merges ==
        std::vector<Merge>{
            {MergeKind::RequesterAlias, at("0000:00:1e.0"), Addresses{at("0000:05:01.0"), at("0000:05:02.0")}, {}}});
}

TEST_CASE(
    "A bridge that is itself in the group counts with what is below it, and functions there need no other reason") {
  const std::vector members{device("0000:00:1e.0"), device("0000:00:1e.0/0000:05:01.0"),
                            device("0000:00:1e.0/0000:05:01.1")};
  const auto merges = merges_in(members, configs({{"0000:00:1e.0", {.type = bridge_to_pci, .bridge = true}},
                                                  {"0000:05:01.0", {.type = std::nullopt, .multifunction = true}},
                                                  {"0000:05:01.1", {.type = std::nullopt, .multifunction = true}}}));
  REQUIRE(merges.size() == 1);
  CHECK(merges[0].kind == MergeKind::RequesterAlias);
  CHECK(merges[0].members == Addresses{at("0000:00:1e.0"), at("0000:05:01.0"), at("0000:05:01.1")});
}

TEST_CASE("A port without access control merges what is below it with itself") {
  const auto type = GENERATE(values<unsigned>({root_port, downstream_port}));
  const std::vector members{device("0000:00:1c.0"), device("0000:00:1c.0/0000:05:00.0")};
  const auto merges =
      merges_in(members, configs({{"0000:00:1c.0", {.type = type, .bridge = true}}, {"0000:05:00.0", {}}}));
  CHECK(merges == std::vector<Merge>{{MergeKind::BridgeAcs, at("0000:00:1c.0"),
                                      Addresses{at("0000:00:1c.0"), at("0000:05:00.0")}, every_service}});
}

TEST_CASE("Each service that a port has and does not use is named") {
  const auto [control, missing] = GENERATE(table<unsigned, Names>({{0, every_service},
                                                                   {0x1c, {"source_validation"}},
                                                                   {0x19, {"request_redirect"}},
                                                                   {0x15, {"completion_redirect"}},
                                                                   {0x0d, {"upstream_forwarding"}},
                                                                   {0x3e2, every_service}}));
  CAPTURE(control);
  const std::vector members{device("0000:00:1c.0"), device("0000:00:1c.0/0000:05:00.0")};
  const auto merges =
      merges_in(members, configs({{"0000:00:1c.0", {.type = root_port, .bridge = true, .acs = control}}}));
  REQUIRE(merges.size() == 1);
  CHECK(merges[0].kind == MergeKind::BridgeAcs);
  CHECK(merges[0].missing == missing);
}

// pci_acs_flags_enabled: what is missing in the capability register is taken as wired to on.
TEST_CASE("A service that a function does not have to control is not missing") {
  const std::vector members{device("0000:00:1c.0"), device("0000:00:1c.0/0000:05:00.0")};
  const auto merges = merges_in(
      members, configs({{"0000:00:1c.0", {.type = root_port, .bridge = true, .acs = 0x04, .acs_capable = 0x0c}}}));
  REQUIRE(merges.size() == 1);
  CHECK(merges[0].missing == Names{"completion_redirect"});
}

TEST_CASE("Functions of an endpoint that redirect all they can are not merged by that") {
  const Function function{.multifunction = true, .acs = 0x0c, .acs_capable = 0x4c};  // as endpoints have it
  const auto merges =
      merges_in({device("0000:00:1c.0/0000:05:00.0"), device("0000:00:1c.0/0000:05:00.1")},
                configs({{"0000:00:1c.0", port_with_acs}, {"0000:05:00.0", function}, {"0000:05:00.1", function}}));
  REQUIRE(merges.size() == 1);
  CHECK(merges[0].kind == MergeKind::Unexplained);
}

TEST_CASE("Virtual functions are no functions of one device to the kernel") {
  std::vector members{device("0000:00:1c.0"), device("0000:00:1c.0/0000:05:10.0"), device("0000:00:1c.0/0000:05:10.1")};
  members[1].physfn = members[2].physfn = at("0000:05:00.0");
  const auto merges =
      merges_in(members, configs({{"0000:00:1c.0", port_without_acs}, {"0000:05:10.0", {}}, {"0000:05:10.1", {}}}));
  REQUIRE(merges.size() == 1);
  CHECK(merges[0].kind == MergeKind::BridgeAcs);
}

TEST_CASE("A port with every service on merges nothing") {
  const auto control = GENERATE(values<unsigned>({all_services, all_services | 0x62U}));
  const std::vector members{device("0000:00:1c.0/0000:05:00.0"), device("0000:00:1c.0/0000:05:01.0")};
  const auto merges = merges_in(members, configs({{"0000:00:1c.0", {.type = root_port, .bridge = true, .acs = control}},
                                                  {"0000:05:00.0", {}},
                                                  {"0000:05:01.0", {}}}));
  CHECK(merges == std::vector<Merge>{
                      {MergeKind::Unexplained, std::nullopt, Addresses{at("0000:05:00.0"), at("0000:05:01.0")}, {}}});
}

TEST_CASE("An upstream port merges only as one of several functions") {
  const auto multifunction = GENERATE(true, false);
  const std::string switch_path = "0000:00:1c.0/0000:05:00.0/";
  const auto merges =
      merges_in({device(switch_path + "0000:06:00.0"), device(switch_path + "0000:06:01.0")},
                configs({{"0000:00:1c.0", port_with_acs},
                         {"0000:05:00.0", {.type = upstream_port, .bridge = true, .multifunction = multifunction}},
                         {"0000:06:00.0", {.type = downstream_port, .bridge = true, .acs = all_services}},
                         {"0000:06:01.0", {.type = downstream_port, .bridge = true, .acs = all_services}}}));
  REQUIRE(merges.size() == 1);
  CHECK(merges[0].kind == (multifunction ? MergeKind::BridgeAcs : MergeKind::Unexplained));
}

TEST_CASE("Functions of one slot without access control are merged, each slot by itself") {
  const std::vector members{device("0000:00:1c.0/0000:05:00.0"), device("0000:00:1c.0/0000:05:00.1"),
                            device("0000:00:1d.0/0000:06:00.0"), device("0000:00:1d.0/0000:06:00.3"),
                            device("0000:00:1d.0/0000:06:01.0")};
  Configs all = configs({{"0000:00:1c.0", port_with_acs}, {"0000:00:1d.0", port_with_acs}});
  for (const auto& member : members) all.emplace(member.address, config_of({.multifunction = true}));
  CHECK(merges_in(members, all) ==
        std::vector<Merge>{
            {MergeKind::FunctionAcs, std::nullopt, Addresses{at("0000:05:00.0"), at("0000:05:00.1")}, every_service},
            {MergeKind::FunctionAcs, std::nullopt, Addresses{at("0000:06:00.0"), at("0000:06:00.3")}, every_service},
            {MergeKind::Unexplained, std::nullopt, Addresses{at("0000:06:01.0")}, {}}});
}

TEST_CASE("A function with access control is not merged with its neighbours") {
  const std::vector members{device("0000:00:1c.0/0000:05:00.0"), device("0000:00:1c.0/0000:05:00.1")};
  const auto merges = merges_in(members, configs({{"0000:00:1c.0", port_with_acs},
                                                  {"0000:05:00.0", {.multifunction = true}},
                                                  {"0000:05:00.1", {.multifunction = true, .acs = all_services}}}));
  REQUIRE(merges.size() == 1);
  CHECK(merges[0].kind == MergeKind::Unexplained);
}

TEST_CASE("A bridge with one member below it explains nothing") {
  const std::vector members{device("0000:00:1c.0/0000:05:00.0"), device("0000:00:1d.0/0000:06:00.0")};
  const auto merges =
      merges_in(members, configs({{"0000:00:1c.0", port_without_acs}, {"0000:00:1d.0", port_without_acs}}));
  REQUIRE(merges.size() == 1);
  CHECK(merges[0].kind == MergeKind::Unexplained);
}

TEST_CASE("Where configuration space cannot be read nothing is guessed") {
  const std::vector members{device("0000:00:1c.0"), device("0000:00:1c.0/0000:05:00.0"),
                            device("0000:00:1c.0/0000:05:00.1")};
  Configs all = configs({{"0000:00:1c.0", port_without_acs},
                         {"0000:05:00.0", {.multifunction = true}},
                         {"0000:05:00.1", {.multifunction = true}}});
  REQUIRE(merges_in(members, all).front().kind != MergeKind::Unexplained);
  SECTION("64 bytes") {
    for (auto& [address, config] : all) config.bytes.resize(64);
  }
  SECTION("256 bytes of 4096") {
    for (auto& [address, config] : all) config.bytes.resize(256);
  }
  SECTION("all ones") {
    for (auto& [address, config] : all) config.bytes.assign(4096, std::byte{0xff});
  }
  SECTION("nothing") {
    for (auto& [address, config] : all) config.bytes.clear();
  }
  SECTION("absent") { all.clear(); }
  CHECK(merges_in(members, all) ==
        std::vector<Merge>{{MergeKind::Unexplained,
                            std::nullopt,
                            Addresses{at("0000:00:1c.0"), at("0000:05:00.0"), at("0000:05:00.1")},
                            {}}});
}

TEST_CASE("The way from the root to a device") {
  const auto deep = device("0000:00:1c.0/0000:05:00.0/0000:06:01.0/0000:07:00.0");
  CHECK(upstream_of(deep) == Addresses{at("0000:00:1c.0"), at("0000:05:00.0"), at("0000:06:01.0")});
  CHECK(upstream_of(device("0000:00:1f.0")).empty());
  Device lost;
  CHECK(upstream_of(lost).empty());
  CHECK(functions_involved({deep, device("0000:00:1c.0/0000:05:00.0/0000:06:02.0/0000:08:00.0")}) ==
        Addresses{at("0000:00:1c.0"), at("0000:05:00.0"), at("0000:06:01.0"), at("0000:06:02.0"), at("0000:07:00.0"),
                  at("0000:08:00.0")});
  CHECK(functions_involved({}).empty());
}

TEST_CASE("Every merge has a name and a sentence with its bridge and services") {
  CHECK(name_of(MergeKind::RequesterAlias) == "requester_alias");
  CHECK(name_of(MergeKind::BridgeAcs) == "bridge_without_acs");
  CHECK(name_of(MergeKind::FunctionAcs) == "functions_without_acs");
  CHECK(name_of(MergeKind::Unexplained) == "unexplained");
  using devbindd::tests::has_text;
  CHECK_THAT(explanation_of({MergeKind::RequesterAlias, at("0000:00:1e.0"), {}, {}}), has_text("0000:00:1e.0"));
  const auto port =
      explanation_of({MergeKind::BridgeAcs, at("0000:00:1c.0"), {}, {"source_validation", "request_redirect"}});
  CHECK_THAT(port, has_text("0000:00:1c.0") && has_text("lack source_validation, request_redirect."));
  CHECK_THAT(explanation_of({MergeKind::FunctionAcs, std::nullopt, {}, {"request_redirect"}}),
             has_text("lack request_redirect."));
  CHECK(!explanation_of({}).empty());
}

}  // namespace devbindd::isolation_test
