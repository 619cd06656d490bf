// SPDX-License-Identifier: Apache-2.0
// The active probe as the API offers it: who may, of which device, and never of one that is in use.
// Not here: what the kernel is asked (vfio/probe.hpp).
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "api/context/context.hpp"
#include "api/http/parameters.hpp"
#include "handoff/worker/task.hpp"

namespace devbindd::api {

/// Why a device cannot be probed now, before anything is opened: a caller who may only read, no VFIO driver, open,
/// group not viable.
std::optional<Response> probe_refusal(Context& context, const Request& request, const sysfs::Device& device);

/// The node to go in by; `way` is "auto", "group" or "cdev". Error: NotVfioBound when the kernel has no such way.
sysfs::Result<vfio::ProbeQuery> probe_query(Context& context, const sysfs::Device& device, const std::string& way);

/// Keeps operations away from the device, makes sure that no process has it or its group open, and probes. `done`
/// is called once: with the report or with the problem.
void probe_device(Context& context, const Request& request, const sysfs::Device& device,
                  const handoff::ProbeVfio& probe, std::function<void(OrResponse<vfio::ProbeReport>)> done);

}  // namespace devbindd::api
