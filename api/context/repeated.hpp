// SPDX-License-Identifier: Apache-2.0
// Requests that may be sent twice: with an Idempotency-Key the second one gets the answer of the first, and nothing is
// done again. Not here: claims, which know their keys themselves (handoff/claim/claims.hpp), and descriptors, which
// cannot be kept.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "api/http/message.hpp"

namespace devbindd::api {

struct Context;

/// Who waits for the answer to a request with a key that is under way, by user and key.
using UnderWay = std::map<std::pair<std::optional<unsigned>, std::string>, std::vector<Respond>>;

/// Answers with what the key's first request came to, for a day; else performs it, and keeps an answer that says that
/// it was done (2xx). One that failed may be asked for again, and so may a change that did not end well after its 202.
/// The same key with another request is 409 key_reused. A dry run keeps nothing, and is told what is kept.
void perform_once(Context& context, const Request& request, Respond respond,
                  const std::function<void(Respond)>& perform);

}  // namespace devbindd::api
