// SPDX-License-Identifier: Apache-2.0
// Asks the driver of a physical function for the settings of its virtual ones, and tells it others, by rtnetlink: it
// answers under rtnetlink's lock. For workers only.
#pragma once

#include <map>
#include <string>

#include "sysfs/device/vf_settings.hpp"
#include "sysfs/kernel/result.hpp"

namespace devbindd::sysfs {

/// Whether this process may set any: CAP_NET_ADMIN. Source: capabilities(7).
bool may_set_vf_settings();

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
