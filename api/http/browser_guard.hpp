// SPDX-License-Identifier: Apache-2.0
// What keeps web pages off the ports: a browser connects to them for any page that asks, and its own headers tell on
// whose behalf. Pure. Not here: the Unix socket, which no page reaches.
#pragma once

#include <optional>

#include "api/access/access_rules.hpp"
#include "api/http/http_guard.hpp"

namespace devbindd::api {

/// Why a request that came over TCP is not answered, or nullopt. misdirected_request (421): the Host header or the host
/// of the target is not the loopback's (DNS rebinding). cross_site_request (403): Sec-Fetch-Site is other than
/// `same-origin` or `none`, or Origin is other than the host that is asked, `null` included. A client that is no
/// browser sends neither. By TLS any host may be named: a page that came by another name has met another certificate.
/// Sources: RFC 6454 section 7, Fetch Metadata Request Headers (W3C) section 2.
std::optional<GuardRefusal> browser_refusal(const RequestHead& head, Entrance entrance);

}  // namespace devbindd::api
