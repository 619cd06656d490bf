// SPDX-License-Identifier: Apache-2.0
// What web pages may not do on the loopback port.
#include "api/http/browser_guard.hpp"

#include <map>

#include "tests/catch2.hpp"

namespace devbindd::browser_guard_test {

using devbindd::api::browser_refusal;
using devbindd::api::Entrance;
using devbindd::api::RequestHead;

namespace {

using Fields = std::vector<std::pair<std::string, std::string>>;

std::string refused(const Fields& fields, std::string authority = {}, Entrance entrance = Entrance::Tcp) {
  RequestHead head;
  head.method = "GET";
  head.authority = std::move(authority);
  head.fields = fields;
  const auto refusal = browser_refusal(head, entrance);
  return refusal ? std::to_string(refusal->status) + " " + refusal->code : "";
}

std::string with_origin(const std::string& host, const std::string& origin) {
  return refused({{"host", host}, {"origin", origin}});
}

std::string with_site(const std::string& site) { return refused({{"host", "localhost"}, {"sec-fetch-site", site}}); }

}  // namespace

TEST_CASE("what says nothing of a page is not a browser", "[api][browser]") {
  CHECK(refused({}).empty());
  CHECK(refused({{"host", "localhost:8480"}}).empty());
  CHECK(refused({{"host", "127.0.0.1"}}, "localhost").empty());
}

TEST_CASE("a name of somebody else's is misdirected", "[api][browser]") {
  CHECK(refused({{"host", "example.com"}}) == "421 misdirected_request");
  CHECK(refused({{"host", "localhost"}}, "example.com") == "421 misdirected_request");
  CHECK(refused({{"host", ""}}) == "421 misdirected_request");
}

TEST_CASE("a page of this address may ask", "[api][browser]") {
  for (const auto& [host, origin] : Fields{{"localhost:8480", "http://localhost:8480"},
                                           {"LocalHost:8480", "http://localhost:8480"},
                                           {"localhost", "http://localhost:80"},
                                           {"localhost:80", "http://localhost"},
                                           {"[::1]:8480", "http://[::1]:8480"},
                                           {"127.0.0.1:8480", "HTTP://127.0.0.1:8480"}}) {
    INFO(host << " " << origin);
    CHECK(with_origin(host, origin).empty());
  }
  for (const auto* site : {"same-origin", "none", "Same-Origin"}) CHECK(with_site(site).empty());
}

TEST_CASE("a page of any other address may not", "[api][browser]") {
  for (const auto* origin :
       {"null", "", "http://example.com", "http://localhost", "http://localhost:3000", "http://127.0.0.1:8480",
        "https://localhost:8480", "http://localhost:8480.example.com", "http://localhost:8480/", "localhost:8480",
        "http://localhost:8480, http://localhost:8480", "file://", "http://", "http://localhost:8480@example.com"}) {
    INFO(origin);
    CHECK(with_origin("localhost:8480", origin) == "403 cross_site_request");
  }
  for (const auto* site : {"cross-site", "same-site", "", "none, cross-site", "CROSS-SITE", "other"}) {
    INFO(site);
    CHECK(with_site(site) == "403 cross_site_request");
  }
  CHECK(refused({{"origin", "http://localhost"}}) == "403 cross_site_request");  // HTTP/1.0 without a host
  CHECK(refused({{"host", "localhost"}, {"origin", "http://localhost"}}, "127.0.0.1") == "403 cross_site_request");
  CHECK(refused({{"host", "localhost"}, {"sec-fetch-site", "none"}, {"sec-fetch-site", "cross-site"}}) ==
        "403 cross_site_request");
  CHECK(refused({{"host", "localhost"}, {"sec-fetch-site", "same-origin"}, {"origin", "null"}}) ==
        "403 cross_site_request");
}

TEST_CASE("by TLS any host may be named, and pages of others may not ask", "[api][browser]") {
  const auto by_tls = [](const Fields& fields) { return refused(fields, {}, Entrance::Tls); };
  CHECK(by_tls({{"host", "host-7.example:8481"}}).empty());
  CHECK(by_tls({{"host", "host-7.example:8481"}, {"origin", "https://host-7.example:8481"}}).empty());
  CHECK(by_tls({{"host", "host-7.example"}, {"origin", "https://host-7.example:443"}}).empty());
  CHECK(by_tls({{"host", "host-7.example"}, {"origin", "http://host-7.example"}}) == "403 cross_site_request");
  CHECK(by_tls({{"host", "host-7.example"}, {"origin", "https://other.example"}}) == "403 cross_site_request");
  CHECK(by_tls({{"host", "host-7.example"}, {"sec-fetch-site", "cross-site"}}) == "403 cross_site_request");
}

}  // namespace devbindd::browser_guard_test
