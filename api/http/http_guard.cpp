// SPDX-License-Identifier: Apache-2.0
#include "api/http/http_guard.hpp"

#include <algorithm>
#include <array>
#include <charconv>

#include "api/http/field_text.hpp"

namespace devbindd::api {
namespace {

using Checked = std::expected<void, GuardRefusal>;

std::unexpected<GuardRefusal> refuse(int status, std::string code, std::string detail) {
  return std::unexpected(GuardRefusal{status, std::move(code), std::move(detail)});
}

// Lines end in CR LF, and neither stands anywhere else.
std::expected<std::vector<std::string_view>, GuardRefusal> split_lines(std::string_view block) {
  std::vector<std::string_view> lines;
  while (!block.empty()) {
    const auto end = block.find_first_of("\r\n");
    if (end == std::string_view::npos || block[end] != '\r' || end + 1 >= block.size() || block[end + 1] != '\n') {
      return refuse(400, "malformed_request", "A line of the request's head does not end in CR LF.");
    }
    lines.push_back(block.substr(0, end));
    block.remove_prefix(end + 2);
  }
  return lines;
}

Checked check_path(std::string_view path) {
  if (path.contains("//")) return refuse(400, "malformed_target", "The path has an empty segment ('//').");
  const auto lowered = lower(path);
  for (const std::string_view bad : {"%00", "%2f", "%5c"}) {
    if (lowered.contains(bad))
      return refuse(400, "malformed_target", "The path has an encoded slash, backslash or NUL.");
  }
  auto rest = std::string_view(lowered);
  while (!rest.empty()) {
    rest.remove_prefix(1);
    const auto segment = rest.substr(0, rest.find('/'));
    for (const std::string_view dots : {".", "..", "%2e", "%2e.", ".%2e", "%2e%2e"}) {
      if (segment == dots) return refuse(400, "malformed_target", "The path has a dot segment.");
    }
    rest.remove_prefix(segment.size());
  }
  return {};
}

// Host and port, without the name of a user (RFC 9110, 4.2.4).
bool is_authority(std::string_view text) {
  constexpr std::string_view symbols = "-._~!$&'()*+,;=:[]%";
  return !text.empty() && !text.starts_with(':') && std::ranges::all_of(text, [&symbols](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || symbols.contains(c);
  });
}

// "http://host:port/path?query", which a server takes as it takes the path (RFC 9112, 3.2.2).
Checked take_absolute_form(RequestHead& head) {
  constexpr std::string_view scheme = "http://";
  constexpr std::string_view secure = "https://";
  if (lower(head.target.substr(0, secure.size())) == secure)
    return refuse(421, "misdirected_request", "This is not the server of an https: URL: only http is spoken here.");
  if (lower(head.target.substr(0, scheme.size())) != scheme) return {};
  const auto rest = head.target.substr(scheme.size());
  const auto end = std::min(rest.find_first_of("/?"), rest.size());
  head.authority = rest.substr(0, end);
  if (!is_authority(head.authority))
    return refuse(400, "malformed_target", "The request target names no host, or more than a host and a port.");
  head.target = (rest.substr(end).starts_with('/') ? "" : "/") + rest.substr(end);
  return {};
}

Checked check_target(std::string_view target) {
  if (!target.starts_with('/'))
    return refuse(400, "malformed_target", "The request target must be a path that begins with '/', or an http: URL.");
  const auto plain = [](char c) {
    return c > ' ' && c < 0x7f && c != '#' && c != '\\' && c != '"' && c != '<' && c != '>';
  };
  if (!std::ranges::all_of(target, plain))
    return refuse(400, "malformed_target", "The request target has a character that must be percent-encoded.");
  return check_path(target.substr(0, target.find('?')));
}

std::expected<RequestHead, GuardRefusal> parse_request_line(std::string_view line) {
  RequestHead head;
  const auto first = line.find(' ');
  const auto last = line.rfind(' ');
  if (first == std::string_view::npos || first == last)
    return refuse(400, "malformed_request", "The request line is not 'METHOD target HTTP/1.1'.");
  head.method = line.substr(0, first);
  head.target = line.substr(first + 1, last - first - 1);
  const auto version = line.substr(last + 1);
  if (!is_token(head.method)) return refuse(400, "malformed_request", "The request method is not a token.");
  if (head.target.contains(' ')) return refuse(400, "malformed_request", "The request line has more than two blanks.");
  if (!version.starts_with("HTTP/"))
    return refuse(400, "malformed_request", "The request line does not end in a version of HTTP.");
  if (version != "HTTP/1.1" && version != "HTTP/1.0")
    return refuse(505, "http_version_not_supported", "Only HTTP/1.1 and HTTP/1.0 are spoken here.");
  head.http_1_0 = version == "HTTP/1.0";
  constexpr std::array<std::string_view, 8> known = {"GET",    "HEAD",  "POST",    "PUT",
                                                     "DELETE", "PATCH", "OPTIONS", "TRACE"};
  if (std::ranges::find(known, head.method) == known.end())
    return refuse(501, "method_not_implemented", "The method is not known here.");
  if (head.target.size() > max_target_bytes)
    return refuse(414, "target_too_long", "The request target is longer than 2048 bytes.");
  if (auto taken = take_absolute_form(head); !taken) return std::unexpected(taken.error());
  if (auto checked = check_target(head.target); !checked) return std::unexpected(checked.error());
  return head;
}

Checked parse_field(std::string_view line, RequestHead& head) {
  if (line.starts_with(' ') || line.starts_with('\t'))
    return refuse(400, "malformed_request", "Folded header lines are not accepted.");
  const auto colon = line.find(':');
  if (colon == std::string_view::npos || !is_token(line.substr(0, colon))) {
    return refuse(400, "malformed_request", "A header line is not 'Name: value'.");
  }
  const auto value = trimmed(line.substr(colon + 1));
  const auto printable = [](char c) { return c == '\t' || static_cast<unsigned char>(c) >= ' '; };
  if (!std::ranges::all_of(value, printable) || value.contains('\x7f')) {
    return refuse(400, "malformed_request", "A header value has a control character.");
  }
  if (head.fields.size() >= max_header_fields)
    return refuse(431, "too_many_fields", "The request has more than 100 header fields.");
  head.fields.emplace_back(lower(line.substr(0, colon)), std::string(value));
  return {};
}

std::size_t count_of(const RequestHead& head, std::string_view name) {
  return static_cast<std::size_t>(
      std::ranges::count_if(head.fields, [name](const auto& field) { return field.first == name; }));
}

Checked check_length(RequestHead& head) {
  const auto count = count_of(head, "content-length");
  if (count == 0) return {};
  const auto text = *head.field("content-length");
  if (count > 1 || text.empty() || !std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; })) {
    return refuse(400, "malformed_content_length", "Content-Length must stand once and be a decimal number.");
  }
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), head.content_length);
  if (error != std::errc{} || end != text.data() + text.size() || head.content_length > max_body_bytes) {
    return refuse(413, "body_too_large", "The body is longer than 65536 bytes.");
  }
  return {};
}

Checked check_body_rules(const RequestHead& head) {
  if (head.content_length > 0 && head.method != "PUT" && head.method != "POST" && head.method != "PATCH") {
    return refuse(400, "unexpected_body",
                  "A " + head.method + " request takes no body here; what it takes are parameters (?name=value).");
  }
  if (const auto encoding = head.list("content-encoding"); !encoding.empty() && lower(encoding) != "identity") {
    return refuse(415, "unsupported_media_type", "Bodies must not be compressed.");
  }
  return {};
}

bool has_element(std::string_view list, std::string_view wanted) {
  while (!list.empty()) {
    const auto element = list.substr(0, list.find(','));
    if (trimmed(element) == wanted) return true;
    list.remove_prefix(std::min(element.size() + 1, list.size()));
  }
  return false;
}

Checked check_fields(RequestHead& head) {
  if (count_of(head, "transfer-encoding") > 0) {
    return refuse(411, "length_required", "Transfer-Encoding is not accepted: send the body with a Content-Length.");
  }
  // An HTTP/1.0 client may know nothing of it (RFC 9112, 3.2). Which names are served is the server's to say.
  const auto hosts = count_of(head, "host");
  if (hosts > 1 || (hosts == 0 && !head.http_1_0))
    return refuse(400, "malformed_host", "Exactly one Host header is needed.");
  for (const std::string_view once : {"content-type", "authorization", "expect", "if-match", "idempotency-key"}) {
    if (count_of(head, once) > 1)
      return refuse(400, "malformed_request", "The header " + std::string(once) + " stands more than once.");
  }
  if (const auto expect = head.field("expect")) {
    if (lower(*expect) != "100-continue")
      return refuse(417, "expectation_failed", "Only 'Expect: 100-continue' is known here.");
    head.expect_continue = !head.http_1_0;
  }
  head.keep_alive = !head.http_1_0;
  const auto wishes = lower(head.list("connection"));
  if (head.http_1_0 && has_element(wishes, "keep-alive")) head.keep_alive = true;
  if (wishes.contains("close")) head.keep_alive = false;
  if (auto checked = check_length(head); !checked) return checked;
  return check_body_rules(head);
}

}  // namespace

std::optional<std::string_view> RequestHead::field(std::string_view name) const {
  for (const auto& [known, value] : fields) {
    if (known == name) return value;
  }
  return std::nullopt;
}

std::string RequestHead::list(std::string_view name) const {
  std::string values;
  for (const auto& [known, value] : fields) {
    if (known == name && !value.empty()) values += (values.empty() ? "" : ", ") + value;
  }
  return values;
}

std::expected<RequestHead, GuardRefusal> guard(std::string_view block) {
  if (block.size() > max_header_bytes)
    return refuse(431, "header_too_large", "The request's head is longer than 16384 bytes.");
  auto lines = split_lines(block);
  if (!lines) return std::unexpected(lines.error());
  if (lines->size() < 2 || !lines->back().empty())
    return refuse(400, "malformed_request", "The request's head is incomplete.");
  auto head = parse_request_line(lines->front());
  if (!head) return head;
  for (std::size_t at = 1; at + 1 < lines->size(); ++at) {
    if (auto parsed = parse_field((*lines)[at], *head); !parsed) return std::unexpected(parsed.error());
  }
  if (auto checked = check_fields(*head); !checked) return std::unexpected(checked.error());
  return head;
}

std::optional<std::size_t> header_block_size(std::string_view bytes) {
  std::size_t line_start = 0;
  while (true) {
    const auto end = bytes.find('\n', line_start);
    if (end == std::string_view::npos) return std::nullopt;
    const auto line = bytes.substr(line_start, end - line_start);
    if (line.empty() || line == "\r") return end + 1;
    line_start = end + 1;
  }
}

}  // namespace devbindd::api
