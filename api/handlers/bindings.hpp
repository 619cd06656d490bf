// SPDX-License-Identifier: Apache-2.0
// The bindings of several devices as the API shows them, with their driver_override, which a worker reads.
// Not here: the rendering of one (render.hpp).
#pragma once

#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <vector>

#include "api/context/context.hpp"
#include "api/http/message.hpp"

namespace devbindd::api {

/// Gives the bindings of `addresses`, read now, to `done`; a device that vanished since is left out. Where the kernel
/// cannot be asked, `respond` gets the problem and `done` is not called.
void read_bindings(Context& context, const Request& request, std::vector<sysfs::PciAddress> addresses,
                   std::function<void(std::vector<nlohmann::json>)> done, Respond respond);

}  // namespace devbindd::api
