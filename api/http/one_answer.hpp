// SPDX-License-Identifier: Apache-2.0
// One answer to one request, however often and by whom it is given.
#pragma once

#include <functional>

#include "api/http/message.hpp"

namespace devbindd::api {

/// Gives the first answer on to `give`, and drops further ones. Where nobody who could answer is left and nobody has,
/// as an exception has taken them along, `unanswered` is called: in a destructor, so it must not throw.
Respond one_answer(Respond give, std::function<void()> unanswered);

}  // namespace devbindd::api
