// SPDX-License-Identifier: Apache-2.0
// Which interfaces carry routes.
#include "sysfs/use/network_routes.hpp"

#include "tests/catch2.hpp"
#include "tests/fake_kernel.hpp"

namespace devbindd::network_routes_test {

namespace {

using devbindd::sysfs::parse_routes;
using devbindd::sysfs::read_routes;
using devbindd::tests::FakeKernel;
using Names = std::set<std::string>;

const std::string head = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n";

}  // namespace

TEST_CASE("An IPv4 default route is one to everywhere that is up") {
  const auto routes = parse_routes(head +
                                       "eth0\t00000000\t0202000A\t0003\t0\t0\t100\t00000000\t0\t0\t0\n"
                                       "eth0\t0002000A\t00000000\t0001\t0\t0\t100\t00FFFFFF\t0\t0\t0\n"
                                       "eth1\t0000A8C0\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0\n"
                                       "eth2\t00000000\t0202000A\t0002\t0\t0\t100\t00000000\t0\t0\t0\n"
                                       "eth3\t0000FEA9\t00000000\t0001\t0\t0\t1000\t0000FFFF\t0\t0\t0\n"
                                       "eth4\t00000000\t00000000\t0001\t0\t0\t0\t00000080\t0\t0\t0\n",
                                   "");
  CHECK(routes.default_interfaces == Names{"eth0"});  // eth2 is down, eth4 goes to half the world
  CHECK(routes.routed_interfaces == Names{"eth0", "eth1", "eth2", "eth4"});
}

TEST_CASE("An IPv6 default route counts unless it is the kernel's own on lo") {
  const std::string zero(32, '0');
  const auto line = [&](const std::string& prefix, const std::string& length, const std::string& flags,
                        const std::string& device) {
    return prefix + " " + length + " " + zero + " 00 " + zero + " 00000400 00000001 00000000 " + flags + "     " +
           device + "\n";
  };
  const auto routes = parse_routes("", line(zero, "00", "00450003", "eth0") + line(zero, "00", "00200200", "lo") +
                                           line("fe80" + std::string(28, '0'), "40", "00000001", "eth1") +
                                           line(zero, "00", "00000200", "eth2") + line(zero, "01", "00000001", "eth3"));
  CHECK(routes.default_interfaces == Names{"eth0"});
}

TEST_CASE("Route lines that make no sense are left out") {
  const auto text = GENERATE(
      values<std::string>({"", "\n\n\n", "eth0", "eth0\t0\n", "Iface", "eth0\tzz\t0\t0003\t0\t0\t0\t00000000\n",
                           "eth0\t00000000\t0\tqq\t0\t0\t0\t00000000\n", "eth0\t00000000\t0\t0003\t0\t0\t0\tx\n",
                           "*\t00000000\t00000000\t0200\t0\t0\t0\t00000000\t0\t0\t0\n"}));
  const auto routes = parse_routes(text, text);
  CHECK(routes.default_interfaces.empty());
  CHECK(routes.routed_interfaces.empty());
}

TEST_CASE("A host without IPv6 has no such file, and that is no error") {
  FakeKernel kernel;
  kernel.set_file("proc/net/route", head + "wan\t00000000\t0202000A\t0003\t0\t0\t100\t00000000\t0\t0\t0\n");
  const auto routes = read_routes(kernel);
  REQUIRE(routes);
  CHECK(routes->default_interfaces == Names{"wan"});
}

}  // namespace devbindd::network_routes_test
