// SPDX-License-Identifier: Apache-2.0
#include "api/http/browser_guard.hpp"

#include <algorithm>

#include "api/http/caller.hpp"
#include "api/http/field_text.hpp"

namespace devbindd::api {
namespace {

// A browser that was told another name for this machine says that name, in the Host header of every request; a client
// that says none is not a browser. A target in absolute form must agree with it.
bool names_loopback(const RequestHead& head) {
  const auto host = head.field("host");
  return (!host || is_loopback_host(*host)) && (head.authority.empty() || is_loopback_host(head.authority));
}

// A port that is http's own need not be said.
std::string without_default_port(std::string_view authority) {
  auto text = lower(authority);
  if (text.ends_with(":80")) text.resize(text.size() - 3);
  return text;
}

bool of_this_origin(const RequestHead& head, const std::string& origin) {
  constexpr std::string_view scheme = "http://";
  const auto asked = head.authority.empty() ? head.field("host").value_or("") : std::string_view(head.authority);
  const auto text = lower(origin);
  return !asked.empty() && text.starts_with(scheme) &&
         without_default_port(text.substr(scheme.size())) == without_default_port(asked);
}

bool is_there(const RequestHead& head, std::string_view name) {
  return std::ranges::any_of(head.fields, [name](const auto& field) { return field.first == name; });
}

GuardRefusal cross_site(const std::string& what) {
  return {403, "cross_site_request",
          what +
              ": a web page of another site asks through a browser, which is never answered. Ask from a page of this "
              "address, or with a client that is not a browser."};
}

}  // namespace

std::optional<GuardRefusal> browser_refusal(const RequestHead& head) {
  if (!names_loopback(head)) {
    return GuardRefusal{421, "misdirected_request",
                        "The request does not name this machine's loopback address as its host."};
  }
  const auto site = lower(head.list("sec-fetch-site"));
  if (is_there(head, "sec-fetch-site") && site != "same-origin" && site != "none")
    return cross_site("Sec-Fetch-Site is neither same-origin nor none");
  if (is_there(head, "origin") && !of_this_origin(head, head.list("origin")))
    return cross_site("Origin is not the address that is asked");
  return std::nullopt;
}

}  // namespace devbindd::api
