// SPDX-License-Identifier: Apache-2.0
// What the driver of a physical function was told of a virtual one through its network interface (ip link set dev ...
// vf N ...): it goes when the VF goes. The values, their text, and comparing them.
// Not here: reading and setting them (vf_netlink.hpp), GUIDs of InfiniBand, and when settings are brought back
// (handoff/plan/virtual_functions.hpp).
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace devbindd::sysfs {

struct VfVlan {
  unsigned id = 0;  ///< 0: none
  unsigned priority = 0;
  std::uint16_t protocol = 0x8100;  ///< 802.1Q, or 0x88a8, 802.1ad

  bool operator==(const VfVlan&) const = default;
};

struct VfRates {
  unsigned least = 0;  ///< Mbit/s that it is sure of; 0: none
  unsigned most = 0;   ///< Mbit/s that it may send; 0: no limit

  bool operator==(const VfRates&) const = default;
};

inline constexpr unsigned vf_link_states = 3;  ///< as the PF's link, up, down

/// nullopt: the driver does not have the setting.
struct VfSettings {
  std::optional<std::array<std::uint8_t, 6>> mac = {};  ///< all zero: none was set
  std::optional<VfVlan> vlan = {};
  std::optional<VfRates> rates = {};
  std::optional<bool> spoof_check = {};
  std::optional<unsigned> state = {};  ///< 0: as the PF's link; 1: up; 2: down
  std::optional<bool> trust = {};
  std::optional<bool> query_rss = {};

  bool operator==(const VfSettings&) const = default;
};

/// In the words of ip-link(8): "mac 52:54:00:12:34:56 vlan 100 qos 3 proto 802.1ad min_tx_rate 0 max_tx_rate 500
/// spoofchk on state auto trust off". "" without any setting.
std::string to_text(const VfSettings& settings);
/// The inverse; nullopt for what to_text() never gives.
std::optional<VfSettings> vf_settings_from(std::string_view text);

/// Whether a VF that was told nothing would show other settings. Every MAC address counts: drivers that make one up
/// cannot be told from those that were given one; so does spoof checking that is off.
bool says_something(const VfSettings& settings);

/// Those of `wanted` that `current` has otherwise.
VfSettings difference(const VfSettings& current, const VfSettings& wanted);

/// Whether `current` is what was wanted, but for an all-zero MAC address, which is a wish (vf_netlink.hpp).
bool are_as_wanted(const VfSettings& current, const VfSettings& wanted);

}  // namespace devbindd::sysfs
