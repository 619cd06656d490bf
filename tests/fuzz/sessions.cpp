// SPDX-License-Identifier: Apache-2.0
// /proc/net/pppoe, ip_mr_vif, can/rcvlist_* and packet: their interfaces have names that users gave.
#include "sysfs/use/network_sessions.hpp"

#include "tests/fuzz/fuzz.hpp"

using namespace devbindd;

namespace {

void must_be_names(const std::vector<sysfs::NamedSession>& sessions) {
  for (const auto& [interface, what] : sessions) {
    fuzz::must(!interface.empty() && interface.find_first_of(" \t\n") == std::string::npos && !what.empty());
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto text = fuzz::text_of(data, size);
  must_be_names(sysfs::parse_pppoe(text));
  must_be_names(sysfs::parse_multicast_interfaces(text));
  must_be_names(sysfs::parse_can_receivers(text));
  for (const auto& socket : sysfs::parse_packet_sockets(text)) fuzz::must(socket.interface > 0);
  return 0;
}
