// SPDX-License-Identifier: Apache-2.0
// What the driver of a physical function was told of a virtual one through its network interface (ip link set dev ...
// vf N ...): it goes when the VF goes. Reading and setting ask the driver under rtnetlink's lock: for workers only.
// Not here: GUIDs of InfiniBand, and when settings are brought back (handoff/plan/virtual_functions.hpp).
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "sysfs/kernel/result.hpp"

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

/// Whether this process may set any: CAP_NET_ADMIN. Source: capabilities(7).
bool may_set_vf_settings();

/// Whether `current` is what was wanted, but for an all-zero MAC address, which is a wish (set_vf_settings).
bool are_as_wanted(const VfSettings& current, const VfSettings& wanted);

/// Of each VF, by its index. Errors: Kernel with the errno (ENXIO: no such interface in the caller's namespace).
/// Source: net/core/rtnetlink.c, rtnl_fill_vfinfo.
Result<std::map<unsigned, VfSettings>> read_vf_settings(const std::string& interface);

/// Sets what differs, one after the other, whatever is refused, and reads it back. A refusal that may pass by itself
/// (the VF is being reset, the link is not up yet) is waited for, ten seconds in all. An all-zero MAC address is a
/// wish: drivers differ in whether they take it for "none". Errors: Kernel with the driver's errno (EPERM without
/// CAP_NET_ADMIN), or without one when the driver took a setting and does not show it. Source: net/core/rtnetlink.c,
/// do_setvfinfo.
Result<> set_vf_settings(const std::string& interface, unsigned index, const VfSettings& settings);

}  // namespace devbindd::sysfs
