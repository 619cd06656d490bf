// SPDX-License-Identifier: Apache-2.0
// The guard in front of the HTTP parser: the header block's raw bytes are checked before Beast sees them, because the
// parser of Boost 1.81 accepts framing that lets two readers disagree about where a request ends. Pure; fuzzed. Not
// here: reading bodies (request_reading.hpp), routes.
#pragma once

#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace devbindd::api {

constexpr std::size_t max_header_bytes = 16U << 10U;
constexpr std::size_t max_body_bytes = 64U << 10U;
constexpr std::size_t max_target_bytes = 2048;
constexpr std::size_t max_header_fields = 100;

/// The head of a request as the guard read it: what everything after it goes by.
struct RequestHead {
  std::string method;
  std::string target;     ///< origin form: of a target in absolute form its path and query
  std::string authority;  ///< host and port of a target in absolute form, "" otherwise
  bool http_1_0 = false;
  std::vector<std::pair<std::string, std::string>> fields;  ///< names in lower case, in order
  std::size_t content_length = 0;
  bool keep_alive = true;
  bool expect_continue = false;

  /// The first value of a field, or nullopt. `name` in lower case.
  std::optional<std::string_view> field(std::string_view name) const;
  /// All values of a field that is a list, with commas between them: lines of one name are one list (RFC 9110, 5.3).
  std::string list(std::string_view name) const;
};

struct GuardRefusal {
  int status = 400;
  std::string code;
  std::string detail;
};

/// Checks a header block: everything up to and including the empty line. Refused, and the connection is to be closed:
/// any Transfer-Encoding (411), a Content-Length that is repeated or no plain number, two Hosts, none in HTTP/1.1,
/// folded lines, blanks before a colon, control characters, bare CR or LF, a version other than 1.1 and 1.0, unknown
/// methods (501), targets that are neither in origin form nor in absolute form with http: and a host, targets of https:
/// (421), those that carry `//`, dot segments, encoded slashes or NULs, bodies where none is allowed, an Expect other
/// than 100-continue (417), too much of anything (413, 414, 431). Source: RFC 9110, RFC 9112.
std::expected<RequestHead, GuardRefusal> guard(std::string_view block);

/// The size of the header block at the front of `bytes` including its empty line, or nullopt while it is incomplete.
/// Bare LFs count as line ends here, so that guard() sees and refuses them at once instead of waiting for a CR.
std::optional<std::size_t> header_block_size(std::string_view bytes);

}  // namespace devbindd::api
