// SPDX-License-Identifier: Apache-2.0
// Entity tags: what tells one version of an answer from another. Pure. Source: RFC 9110, 8.8.3, 13.1.
#pragma once

#include <string>
#include <string_view>

namespace devbindd::api {

/// The strong tag of a representation: the same bytes have the same tag, also from another daemon.
std::string entity_tag(std::string_view body);

/// Whether one of a list of tags ("*" is any) is this one. `weakly`: W/ makes no difference, as If-None-Match compares;
/// otherwise a weak tag is like no other, as If-Match compares.
bool names_tag(std::string_view list, std::string_view tag, bool weakly);

/// Whether the list is "*" or well-formed tags with commas between them.
bool is_tag_list(std::string_view list);

}  // namespace devbindd::api
