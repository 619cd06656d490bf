// SPDX-License-Identifier: Apache-2.0
// What a client that follows events asks for.
#pragma once

#include <string>

#include "api/context/event_feed.hpp"
#include "api/http/query.hpp"

namespace devbindd::api {

/// The parameters device, iommu_group, kind, claim and operation, each a list. Mistakes: invalid_address,
/// invalid_value.
EventFilter read_event_filter(QueryReader& query);

/// The parameter since: the id of the last event that the client has seen, "" for none. Mistake: invalid_value.
std::string read_since(QueryReader& query);

}  // namespace devbindd::api
