// SPDX-License-Identifier: Apache-2.0
// What a handler asks before it does something for somebody, and how no is said: with the role, what gave it and what
// would be needed, and a line in the audit. Not here: the decision itself (api/access/decision.hpp).
#pragma once

#include <optional>

#include "api/access/decision.hpp"
#include "api/context/context.hpp"
#include "api/http/message.hpp"

namespace devbindd::api {

/// 401 or 403, which the audit has from now on, unless it has many of this user just now.
Response denied(Context& context, const Request& request, const Denial& denial);

/// The device at the address, or where it is gone what is left of it: its address.
sysfs::Device device_at(Context& context, const sysfs::PciAddress& address);

/// Why the caller may not change the device; nullopt: he may.
std::optional<Response> device_denied(Context& context, const Request& request, const sysfs::Device& device);

/// Why the caller may not end, renew or use the claim; nullopt: it is his own, or he may change its devices.
std::optional<Response> claim_denied(Context& context, const Request& request, const handoff::Claim& claim);
/// The same as a question that is answered with less, and not with no.
bool may_use(Context& context, const Request& request, const handoff::Claim& claim);

}  // namespace devbindd::api
