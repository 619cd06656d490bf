// SPDX-License-Identifier: Apache-2.0
// The settings of VFs as text, and what differs. Asking the kernel: tests/vm/guest/test_34_functions.py.
#include "sysfs/device/vf_settings.hpp"

#include "tests/catch2.hpp"

namespace devbindd::vf_settings_test {

using namespace devbindd::sysfs;

TEST_CASE("Settings of VFs are written as ip-link has them, and read back") {
  const VfSettings all{.mac = {{0x52, 0x54, 0, 0x12, 0x34, 0x56}},
                       .vlan = VfVlan{100, 3, 0x88a8},
                       .rates = VfRates{10, 500},
                       .spoof_check = true,
                       .state = 2,
                       .trust = false,
                       .query_rss = true};
  const std::string text =
      "mac 52:54:00:12:34:56 vlan 100 qos 3 proto 802.1ad min_tx_rate 10 max_tx_rate 500 spoofchk on state disable "
      "trust off query_rss on";
  CHECK(to_text(all) == text);
  CHECK(vf_settings_from(text) == all);
  CHECK(to_text({}).empty());
  CHECK(vf_settings_from("") == VfSettings{});
  CHECK(vf_settings_from("state auto") == VfSettings{.state = 0});
}

TEST_CASE("Anything else is no settings") {
  for (const auto* text :
       {"mac", "mac 52:54:00:12:34", "mac 52-54-00-12-34-56", "mac zz:54:00:12:34:56", "vlan 1", "vlan 1 qos 0",
        "vlan x qos 0 proto 802.1Q", "vlan 1 qos 0 proto 802.3", "min_tx_rate 1", "max_tx_rate 1", "spoofchk maybe",
        "state up", "trust", "colour red", "trust on trust on", "mac 52:54:00:12:34:56 vlan"}) {
    CAPTURE(text);
    CHECK_FALSE(vf_settings_from(text));
  }
}

TEST_CASE("Only what a VF was told counts as said") {
  CHECK_FALSE(says_something(*vf_settings_from(
      "mac 00:00:00:00:00:00 vlan 0 qos 0 proto 802.1Q min_tx_rate 0 max_tx_rate 0 spoofchk on state auto trust off")));
  for (const auto* text : {"mac 52:54:00:12:34:56", "vlan 1 qos 0 proto 802.1Q", "min_tx_rate 0 max_tx_rate 1",
                           "state enable", "trust on", "spoofchk off"}) {
    CAPTURE(text);
    CHECK(says_something(*vf_settings_from(text)));
  }
}

TEST_CASE("Only what differs is set") {
  const auto current = *vf_settings_from("mac 00:00:00:00:00:00 vlan 1 qos 0 proto 802.1Q spoofchk on trust off");
  const auto wanted = *vf_settings_from("mac 52:54:00:12:34:56 vlan 1 qos 0 proto 802.1Q spoofchk off");
  CHECK(to_text(difference(current, wanted)) == "mac 52:54:00:12:34:56 spoofchk off");
  CHECK(difference(current, current) == VfSettings{});
  CHECK_FALSE(are_as_wanted(current, wanted));
  CHECK(are_as_wanted(wanted, wanted));
  CHECK(are_as_wanted(wanted, *vf_settings_from("mac 00:00:00:00:00:00 spoofchk off")));
}

}  // namespace devbindd::vf_settings_test
