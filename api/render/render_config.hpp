// SPDX-License-Identifier: Apache-2.0
// The configuration space as JSON and as the text of lspci -xxxx.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "sysfs/config_space/config_space.hpp"

namespace devbindd::api {

/// Size, bytes, what is missing and why, the header, both lists of capabilities and what is wrong with them.
nlohmann::json render_config(const sysfs::ConfigSpace& config);

/// `title` ("0000:02:00.0 Ethernet controller: ..."), then "00: 86 80 ..." lines of 16 bytes: what lspci -xxxx prints,
/// and lspci -F reads. Missing bytes are told in a line that lspci passes over.
std::string config_text(const std::string& title, const sysfs::ConfigSpace& config);

}  // namespace devbindd::api
