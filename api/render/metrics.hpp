// SPDX-License-Identifier: Apache-2.0
// All metrics of this daemon. Each is a value beside what it counts, in the part that counts it; nothing has a label
// that a client could fill, or one value for each device. Not here: the format (metrics_text.hpp).
#pragma once

#include <string>

#include "api/context/context.hpp"

namespace devbindd::api {

/// The answer to GET /metrics. Counters begin with the daemon. Devices are as the kernel has them now; where they
/// cannot be read, as they were last read.
std::string render_metrics(Context& context);

}  // namespace devbindd::api
