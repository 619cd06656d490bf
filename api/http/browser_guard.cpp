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

/// How a page of this daemon's is addressed.
struct Scheme {
  std::string_view name;
  std::string_view port;  ///< its own, which need not be said
};

Scheme scheme_at(Entrance entrance) {
  return entrance == Entrance::Tls ? Scheme{"https://", ":443"} : Scheme{"http://", ":80"};
}

std::string without_default_port(std::string_view authority, const Scheme& scheme) {
  auto text = lower(authority);
  if (text.ends_with(scheme.port)) text.resize(text.size() - scheme.port.size());
  return text;
}

bool of_this_origin(const RequestHead& head, const std::string& origin, const Scheme& scheme) {
  const auto asked = head.authority.empty() ? head.field("host").value_or("") : std::string_view(head.authority);
  const auto text = lower(origin);
  return !asked.empty() && text.starts_with(scheme.name) &&
         without_default_port(text.substr(scheme.name.size()), scheme) == without_default_port(asked, scheme);
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

std::optional<GuardRefusal> browser_refusal(const RequestHead& head, Entrance entrance) {
  if (entrance == Entrance::Tcp && !names_loopback(head)) {
    return GuardRefusal{421, "misdirected_request",
                        "The request does not name this machine's loopback address as its host."};
  }
  const auto site = lower(head.list("sec-fetch-site"));
  if (is_there(head, "sec-fetch-site") && site != "same-origin" && site != "none")
    return cross_site("Sec-Fetch-Site is neither same-origin nor none");
  if (is_there(head, "origin") && !of_this_origin(head, head.list("origin"), scheme_at(entrance)))
    return cross_site("Origin is not the address that is asked");
  return std::nullopt;
}

}  // namespace devbindd::api
