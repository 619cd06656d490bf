// SPDX-License-Identifier: Apache-2.0
// Content negotiation: what a request's Accept header prefers among the representations that there are. Pure.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace devbindd::api {

/// One element of an Accept header.
struct MediaRange {
  std::string type;                                             ///< "text" or "*", in lower case
  std::string subtype;                                          ///< "plain" or "*"
  std::vector<std::pair<std::string, std::string>> parameters;  ///< names in lower case, values without their quotes
  unsigned quality = 1000;                                      ///< thousandths: 0 is "not acceptable"

  bool operator==(const MediaRange&) const = default;
};

/// The elements in their order. One that is not well-formed is left out. Source: RFC 9110, 5.6, 12.4.2, 12.5.1.
std::vector<MediaRange> parse_accept(std::string_view header);

/// A representation that can be given; its charset is UTF-8.
struct Representation {
  std::string_view type;
  std::string_view subtype;
};

/// The index of the one that `header` prefers. Of several that are wanted alike, the one whose range stands first, and
/// of those the first. The first where there is no header, and where none is acceptable: then the header is
/// disregarded, as RFC 9110, 15.5.7 allows.
std::size_t preferred(std::string_view header, const std::vector<Representation>& representations);

/// "application/json" out of a Content-Type, in lower case and without parameters; "" where it is none.
std::string media_type_of(std::string_view content_type);

}  // namespace devbindd::api
