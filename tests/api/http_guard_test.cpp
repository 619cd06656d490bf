// SPDX-License-Identifier: Apache-2.0
// The guard in front of the HTTP parser: a table of heads. The same heads go over real sockets in
// tests/contract/raw_cases.py.
#include "api/http/http_guard.hpp"

#include "tests/catch2.hpp"

namespace devbindd::http_guard_test {

namespace {

using devbindd::api::guard;
using devbindd::api::header_block_size;
using devbindd::api::RequestHead;

std::string block(const std::string& line, const std::vector<std::string>& fields) {
  std::string text = line + "\r\n";
  for (const auto& field : fields) text += field + "\r\n";
  return text + "\r\n";
}

std::string get(const std::vector<std::string>& more = {}) {
  std::vector<std::string> fields{"Host: localhost"};
  fields.insert(fields.end(), more.begin(), more.end());
  return block("GET /v1 HTTP/1.1", fields);
}

std::string put(const std::vector<std::string>& more) {
  std::vector<std::string> fields{"Host: localhost"};
  fields.insert(fields.end(), more.begin(), more.end());
  return block("PUT /v1 HTTP/1.1", fields);
}

std::string to(const std::string& target) { return block("GET " + target + " HTTP/1.1", {"Host: localhost"}); }

// "200" for a head that passes, else "STATUS code".
std::string outcome(const std::string& text) {
  const auto head = guard(text);
  return head ? "200" : std::to_string(head.error().status) + " " + head.error().code;
}

struct Case {
  std::string text;
  std::string expected;
};

void check(const std::vector<Case>& cases) {
  for (const auto& [text, expected] : cases) {
    INFO(text);
    CHECK(outcome(text) == expected);
  }
}

}  // namespace

TEST_CASE("the guard reads what a request's head says", "[api][guard]") {
  const auto head = guard(block("PUT /v1/x?y=1 HTTP/1.1",
                                {"Host: a", "X-Thing:  two words\t", "CONTENT-LENGTH: 12", "Expect: 100-Continue"}));
  REQUIRE(head);
  CHECK(head->method == "PUT");
  CHECK(head->target == "/v1/x?y=1");
  CHECK(head->content_length == 12);
  CHECK(head->field("x-thing") == "two words");
  CHECK_FALSE(head->field("x-other"));
  CHECK(head->keep_alive);
  CHECK(head->expect_continue);
  CHECK_FALSE(head->http_1_0);
}

TEST_CASE("the guard knows when a connection stays open", "[api][guard]") {
  CHECK_FALSE(guard(get({"Connection: close"}))->keep_alive);
  CHECK_FALSE(guard(get({"connection: x, CLOSE"}))->keep_alive);
  CHECK_FALSE(guard(block("GET / HTTP/1.0", {"Host: a"}))->keep_alive);
  CHECK(guard(block("GET / HTTP/1.0", {"Host: a", "Connection: Keep-Alive"}))->keep_alive);
  CHECK_FALSE(guard(block("GET / HTTP/1.0", {"Host: a", "Expect: 100-continue"}))->expect_continue);
}

TEST_CASE("the guard refuses every transfer coding", "[api][guard]") {
  for (const auto* coding :
       {"chunked", "xchunked", "chunked, chunked", "gzip", "identity", "", "Chunked", "gzip, chunked"}) {
    CHECK(outcome(put({std::string("Transfer-Encoding: ") + coding})) == "411 length_required");
    CHECK(outcome(put({"Content-Length: 5", std::string("transfer-encoding: ") + coding})) == "411 length_required");
  }
}

TEST_CASE("the guard takes one plain Content-Length", "[api][guard]") {
  check({{put({"Content-Length: 0"}), "200"},
         {put({"Content-Length: 00021"}), "200"},
         {put({"Content-Length: 65536"}), "200"},
         {put({"Content-Length: 65537"}), "413 body_too_large"},
         {put({"Content-Length: 18446744073709551621"}), "413 body_too_large"},
         {put({"Content-Length: 5", "Content-Length: 5"}), "400 malformed_content_length"}});
  for (const auto* value : {"5, 5", "+5", "-5", "5 5", "0x5", "5.0", "", "five", "5;", "\xd9\xa5"}) {
    CHECK(outcome(put({std::string("Content-Length: ") + value})) == "400 malformed_content_length");
  }
  check({{get({"Content-Length: 0"}), "200"},
         {get({"Content-Length: 1"}), "400 unexpected_body"},
         {block("DELETE /v1 HTTP/1.1", {"Host: a", "Content-Length: 1"}), "400 unexpected_body"},
         {block("POST /v1 HTTP/1.1", {"Host: a", "Content-Length: 1"}), "200"}});
}

TEST_CASE("the guard wants exactly one Host", "[api][guard]") {
  check({{block("GET / HTTP/1.1", {}), "400 malformed_host"},
         {block("GET / HTTP/1.0", {}), "200"},
         {block("GET / HTTP/1.0", {"Host: a", "Host: a"}), "400 malformed_host"},
         {block("GET http://a/ HTTP/1.1", {}), "400 malformed_host"},
         {block("GET / HTTP/1.1", {"Host: a", "host: a"}), "400 malformed_host"},
         {block("GET / HTTP/1.1", {"Host:"}), "200"}});
}

TEST_CASE("the guard refuses lines that readers understand in several ways", "[api][guard]") {
  const std::string bad = "400 malformed_request";
  check({{get({"X: a\r\n b"}), bad},
         {get({"X: a\r\n\tb"}), bad},
         {get({"X : a"}), bad},
         {get({"X"}), bad},
         {get({": a"}), bad},
         {get({"X: a\rb"}), bad},
         {get({"X: a\nY: b"}), bad},
         {get({std::string("X: a\0b", 6)}), bad},
         {get({std::string("X\0Y: b", 6)}), bad},
         {get({"X: \x7f"}), bad},
         {get({"X: \x1b"}), bad},
         {get({"X\xe9: a"}), bad},
         {get({"X: \xe9\t"}), "200"},
         {get({"Content-Type: a", "content-type: b"}), bad},
         {get({"Expect: 100-continue", "Expect: 100-continue"}), bad},
         {"GET / HTTP/1.1\nHost: a\n\n", bad},
         {"GET / HTTP/1.1\r\r\nHost: a\r\n\r\n", bad},
         {"\r\n", bad},
         {"", bad},
         {"GET / HTTP/1.1\r\nHost: a\r\n", bad}});
}

TEST_CASE("the guard reads the request line to the letter", "[api][guard]") {
  const std::string bad = "400 malformed_request";
  const std::vector<std::string> host{"Host: a"};
  check({{block("GET /", host), bad},
         {block("GET  / HTTP/1.1", host), bad},
         {block("GET / HTTP/1.1 ", host), bad},
         {block(" GET / HTTP/1.1", host), bad},
         {block("GET\t/ HTTP/1.1", host), bad},
         {block("G(T / HTTP/1.1", host), bad},
         {block("GET / http/1.1", host), bad},
         {block("GET / HTTP/1.2", host), "505 http_version_not_supported"},
         {block("GET / HTTP/2.0", host), "505 http_version_not_supported"},
         {block("PRI * HTTP/2.0", {}), "505 http_version_not_supported"},
         {block("get / HTTP/1.1", host), "501 method_not_implemented"},
         {block("CONNECT a:80 HTTP/1.1", host), "501 method_not_implemented"}});
  for (const auto* method : {"GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"}) {
    CHECK(outcome(block(std::string(method) + " / HTTP/1.1", host)) == "200");
  }
}

TEST_CASE("the guard takes targets in origin form without tricks", "[api][guard]") {
  for (const auto* target :
       {"*",       "http:/a/v1", "a:80",  "//v1",     "/v1//x",  "/%00",      "/v1%2fx",   "/v1%2Fx",
        "/v1%5Cx", "/.",         "/..",   "/v1/../x", "/v1/./x", "/%2e",      "/%2E%2e/x", "/.%2e",
        "/a\\b",   "/a#b",       "/a\"b", "/a<b",     "/a>b",    "/\xc3\xa9", "/a\x01"}) {
    INFO(target);
    CHECK(outcome(to(target)) == "400 malformed_target");
  }
  for (const auto* target :
       {"/", "/v1", "/...", "/.x", "/x?a=//&b=/../", "/x?a=%00%2f", "/v1/devices/0000%3A05:00.0", "/x?"}) {
    INFO(target);
    CHECK(outcome(to(target)) == "200");
  }
}

TEST_CASE("the guard takes a target in absolute form apart", "[api][guard]") {
  const auto [target, authority, path] = GENERATE(table<std::string, std::string, std::string>({
      {"http://a/v1/x?y=1", "a", "/v1/x?y=1"},
      {"HTTP://[::1]:8480/", "[::1]:8480", "/"},
      {"http://a", "a", "/"},
      {"http://a:80?x=//", "a:80", "/?x=//"},
      {"/v1", "", "/v1"},
  }));
  const auto head = guard(to(target));
  REQUIRE(head);
  CHECK(head->authority == authority);
  CHECK(head->target == path);
}

TEST_CASE("the guard refuses absolute targets that are none of this server's", "[api][guard]") {
  for (const auto* target :
       {"http://", "http:///v1", "http://:80/", "http://u@a/", "http://u:p@a/", "http://a//x", "http://a/..",
        "http://a/%2f", "http://a\\b/", "http://a#b", "http://\xc3\xa9/", "ftp://a/", "http:a", "//a/v1"}) {
    INFO(target);
    CHECK(outcome(to(target)) == "400 malformed_target");
  }
  CHECK(outcome(to("https://a/v1")) == "421 misdirected_request");
  CHECK(outcome(to("http://a/" + std::string(2040, 'a'))) == "414 target_too_long");
}

TEST_CASE("lines of one name are one list", "[api][guard]") {
  const auto head = guard(get({"Accept: a/b", "X: y", "accept:", "ACCEPT: c/d, e/f"}));
  CHECK(head->list("accept") == "a/b, c/d, e/f");
  CHECK(head->list("prefer").empty());
  CHECK_FALSE(guard(get({"Connection: keep-alive", "Connection: close"}))->keep_alive);
  CHECK(guard(block("GET / HTTP/1.0", {"Connection: x, Keep-Alive"}))->keep_alive);
  CHECK_FALSE(guard(block("GET / HTTP/1.0", {"Connection: keep-alive, close"}))->keep_alive);
  CHECK(outcome(put({"Content-Encoding: gzip", "Content-Encoding: identity"})) == "415 unsupported_media_type");
  CHECK(outcome(put({"Content-Encoding: Identity"})) == "200");
}

TEST_CASE("the guard has limits", "[api][guard]") {
  CHECK(outcome(to("/" + std::string(2047, 'a'))) == "200");
  CHECK(outcome(to("/" + std::string(2048, 'a'))) == "414 target_too_long");
  CHECK(outcome(get(std::vector<std::string>(99, "X: y"))) == "200");
  CHECK(outcome(get(std::vector<std::string>(100, "X: y"))) == "431 too_many_fields");
  const auto rest = get({"X: "}).size();
  CHECK(outcome(get({"X: " + std::string(16384 - rest, 'a')})) == "200");
  CHECK(outcome(get({"X: " + std::string(16385 - rest, 'a')})) == "431 header_too_large");
}

TEST_CASE("the guard refuses other expectations and compressed bodies", "[api][guard]") {
  check({{put({"Expect: 200-ok"}), "417 expectation_failed"},
         {put({"Expect:"}), "417 expectation_failed"},
         {put({"Content-Encoding: gzip"}), "415 unsupported_media_type"},
         {put({"Content-Encoding: identity"}), "200"}});
}

TEST_CASE("a head ends with its empty line, whatever ends its lines", "[api][guard]") {
  CHECK_FALSE(header_block_size(""));
  CHECK_FALSE(header_block_size("GET / HTTP/1.1\r\nHost: a\r\n"));
  CHECK_FALSE(header_block_size("GET / HTTP/1.1\r\nHost: a\r\n\r"));
  CHECK(header_block_size("GET / HTTP/1.1\r\nHost: a\r\n\r\nbody") == 27);
  CHECK(header_block_size("GET /\n\nx") == 7);
  CHECK(header_block_size("GET /\r\n\nx") == 8);
  CHECK(header_block_size("\r\nx") == 2);
}

}  // namespace devbindd::http_guard_test
