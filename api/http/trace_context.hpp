// SPDX-License-Identifier: Apache-2.0
// The trace that a request belongs to, as its caller says in the field `traceparent`. Pure.
// Source: W3C Trace Context, section 3.2 (https://www.w3.org/TR/trace-context/).
#pragma once

#include <string>
#include <string_view>

namespace devbindd::api {

/// The field in the form of version 00: "00-", the trace's id, the caller's span, the flags that version knows. ""
/// where it is not as the specification says, which is as if it had not come: nobody is refused for it. Of a version
/// that is not known yet its first part is taken, as the specification wants it. Two fields are none.
std::string traceparent_of(std::string_view field);

}  // namespace devbindd::api
