# SPDX-License-Identifier: Apache-2.0
"""The table of raw requests: what is sent, byte by byte, and what must come back. Passive; raw_http.py runs it.

A case is (name, bytes, expected, closes): `expected` lists "STATUS" or "STATUS code" for each answer in order, `closes` tells
whether the connection ends after them. Each case runs over the Unix socket and over TCP unless its name says otherwise.
"""

OK = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
DRY = "/v1/devices/0000:20:00.0/binding?dry_run=true"
BIND = b'{"driver":"vfio-pci"}'


def head(line="GET /healthz HTTP/1.1", *fields, host="Host: localhost"):
    lines = [line] + ([host] if host else []) + list(fields)
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n"


def put(body, *fields, content_type="Content-Type: application/json", target=DRY):
    fields = ([content_type] if content_type else []) + list(fields) + [f"Content-Length: {len(body)}"]
    return head(f"PUT {target} HTTP/1.1", *fields) + body


def with_target(target):
    return b"GET " + target + b" HTTP/1.1\r\nHost: localhost\r\n\r\n"


def framing_cases():
    chunked = b"5\r\nhello\r\n0\r\n\r\n"
    for coding in ("chunked", "xchunked", "chunked, chunked", "gzip", "gzip, chunked", "identity", "Chunked", "\tchunked", "", "chunked;x=1"):
        yield f"transfer-encoding '{coding.strip()}'", head(f"PUT {DRY} HTTP/1.1", f"Transfer-Encoding: {coding}") + chunked, ["411 length_required"], True
    yield "transfer-encoding twice", head(f"PUT {DRY} HTTP/1.1", "Transfer-Encoding: identity", "Transfer-Encoding: chunked") + chunked, ["411 length_required"], True
    yield "transfer-encoding before content-length", head(f"PUT {DRY} HTTP/1.1", "Transfer-Encoding: gzip", "Content-Length: 5") + b"hello", ["411 length_required"], True
    yield "transfer-encoding after content-length", head(f"PUT {DRY} HTTP/1.1", "Content-Length: 5", "Transfer-Encoding: chunked") + chunked, ["411 length_required"], True
    yield "transfer-encoding in HTTP/1.0", head(f"PUT {DRY} HTTP/1.0", "Transfer-Encoding: chunked") + chunked, ["411 length_required"], True
    yield "transfer-encoding on a GET", head("GET /healthz HTTP/1.1", "Transfer-Encoding: chunked") + b"0\r\n\r\n", ["411 length_required"], True
    yield "trailers", head(f"PUT {DRY} HTTP/1.1", "Transfer-Encoding: chunked", "Trailer: If-Match") + b"0\r\nIf-Match: x\r\n\r\n", ["411 length_required"], True
    yield "transfer-encoding with a blank before the colon", head(f"PUT {DRY} HTTP/1.1", "Transfer-Encoding : chunked") + chunked, ["400 malformed_request"], True
    yield "smuggling CL.TE", head(f"PUT {DRY} HTTP/1.1", "Content-Length: 6", "Transfer-Encoding: chunked") + b"0\r\n\r\nG" + OK, ["411 length_required"], True
    yield "smuggling TE.CL", head(f"PUT {DRY} HTTP/1.1", "Transfer-Encoding: chunked", "Content-Length: 4") + b"2b\r\n" + OK + b"\r\n0\r\n\r\n", ["411 length_required"], True
    yield "smuggling TE.TE", head(f"PUT {DRY} HTTP/1.1", "Transfer-Encoding: xchunked") + OK, ["411 length_required"], True
    yield "smuggling behind a refused GET body", head("GET /healthz HTTP/1.1", f"Content-Length: {len(OK)}") + OK, ["400 unexpected_body"], True
    yield "smuggling behind a bare LF", b"GET /healthz HTTP/1.1\nHost: localhost\n\n" + OK, ["400 malformed_request"], True


def length_cases():
    def sent(*fields):
        return head(f"PUT {DRY} HTTP/1.1", "Content-Type: application/json", *fields) + b"{}{}{}"
    bad = ["400 malformed_content_length"]
    for value in ("5, 5", "+5", "-5", "5 5", "0x5", "5.0", "", "five", "5;", "٥".encode().decode("latin-1")):
        yield f"content-length '{value.encode('latin-1').hex() if value and value[0] > '~' else value}'", sent(f"Content-Length: {value}"), bad, True
    yield "content-length twice the same", sent("Content-Length: 6", "Content-Length: 6"), bad, True
    yield "content-length twice differing", sent("Content-Length: 6", "content-length: 2"), bad, True
    yield "content-length too large", sent("Content-Length: 65537"), ["413 body_too_large"], True
    yield "content-length beyond 64 bits", sent("Content-Length: 18446744073709551622"), ["413 body_too_large"], True
    yield "content-length with leading zeros", put(BIND).replace(b"Content-Length: 21", b"Content-Length: 00021"), ["200"], False
    yield "largest body", put(BIND + b" " * (65536 - len(BIND))), ["200"], False
    yield "no body and no length", head(f"PUT {DRY} HTTP/1.1", "Content-Type: application/json"), ["400 invalid_json"], False
    yield "body on GET", head("GET /healthz HTTP/1.1", "Content-Length: 2") + b"{}", ["400 unexpected_body"], True
    yield "body on HEAD", head("HEAD /healthz HTTP/1.1", "Content-Length: 2") + b"{}", ["400"], True
    yield "body on DELETE", head(f"DELETE {DRY} HTTP/1.1", "Content-Length: 2") + b"{}", ["400 unexpected_body"], True
    yield "length 0 on GET", head("GET /healthz HTTP/1.1", "Content-Length: 0"), ["200"], False


def head_cases():
    bad = ["400 malformed_request"]
    yield "plain", OK, ["200"], False
    yield "connection close", head("GET /healthz HTTP/1.1", "Connection: close"), ["200"], True
    yield "connection close among others", head("GET /healthz HTTP/1.1", "Connection: foo, Close"), ["200"], True
    yield "HTTP/1.0 with host", head("GET /healthz HTTP/1.0"), ["200"], True
    yield "HTTP/1.0 keep-alive", head("GET /healthz HTTP/1.0", "Connection: keep-alive"), ["200"], False
    yield "HTTP/1.0 keep-alive among others", head("GET /healthz HTTP/1.0", "Connection: x", "Connection: Keep-Alive"), ["200"], False
    yield "keep-alive and close", head("GET /healthz HTTP/1.1", "Connection: keep-alive", "Connection: close"), ["200"], True
    yield "HTTP/1.0 without host", head("GET /healthz HTTP/1.0", host=""), ["200"], True
    yield "HTTP/1.0 with two hosts", head("GET /healthz HTTP/1.0", "Host: localhost"), ["400 malformed_host"], True
    yield "no host", head(host=""), ["400 malformed_host"], True
    yield "two hosts", head("GET /healthz HTTP/1.1", "host: localhost"), ["400 malformed_host"], True
    yield "two differing hosts", head("GET /healthz HTTP/1.1", "Host: example.com"), ["400 malformed_host"], True
    yield "folded line", head("GET /healthz HTTP/1.1", "X-A: b\r\n c"), bad, True
    yield "folded with a tab", head("GET /healthz HTTP/1.1", "X-A: b\r\n\tc"), bad, True
    yield "folded first line", b"GET /healthz HTTP/1.1\r\n Host: localhost\r\n\r\n", bad, True
    yield "blank before the colon", head("GET /healthz HTTP/1.1", "X-A : b"), bad, True
    yield "no colon", head("GET /healthz HTTP/1.1", "X-A"), bad, True
    yield "empty name", head("GET /healthz HTTP/1.1", ": b"), bad, True
    yield "bare LF everywhere", OK.replace(b"\r\n", b"\n"), bad, True
    yield "bare LF in one line", b"GET /healthz HTTP/1.1\r\nX: y\nHost: localhost\r\n\r\n", bad, True
    yield "bare CR in a value", head("GET /healthz HTTP/1.1", "X-A: b\rc"), bad, True
    yield "bare CR before the end", b"GET /healthz HTTP/1.1\r\r\nHost: localhost\r\n\r\n", bad, True
    yield "NUL in a value", head("GET /healthz HTTP/1.1", "X-A: b\0c"), bad, True
    yield "NUL in a name", head("GET /healthz HTTP/1.1", "X\0A: b"), bad, True
    yield "DEL in a value", head("GET /healthz HTTP/1.1", "X-A: b\x7fc"), bad, True
    yield "escape in a value", head("GET /healthz HTTP/1.1", "X-A: \x1b[31m"), bad, True
    yield "obs-text in a value", head("GET /healthz HTTP/1.1", "X-A: \xe9"), ["200"], False
    yield "tab in a value", head("GET /healthz HTTP/1.1", "X-A: b\tc"), ["200"], False
    yield "empty line first", b"\r\n" + OK, bad, True
    yield "100 fields", head("GET /healthz HTTP/1.1", *[f"X-{n}: y" for n in range(99)]), ["200"], False
    yield "101 fields", head("GET /healthz HTTP/1.1", *[f"X-{n}: y" for n in range(100)]), ["431 too_many_fields"], True
    yield "large head", head("GET /healthz HTTP/1.1", "X-A: " + "b" * 16000), ["200"], False
    yield "too large head", head("GET /healthz HTTP/1.1", "X-A: " + "b" * 16384), ["431 header_too_large"], True
    yield "endless head", b"GET /healthz HTTP/1.1\r\nX-A: " + b"b" * 40000, ["431 header_too_large"], True
    yield "two content-types", put(BIND, "content-type: text/plain"), bad, True
    yield "random bytes", bytes(range(256)) + b"\r\n\r\n", bad, True
    yield "TLS client hello", bytes.fromhex("16030100c6010000c20303") + b"\n\n", bad, True
    yield "HTTP/2 preface", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", ["505 http_version_not_supported"], True


def line_cases():
    bad = ["400 malformed_request"]
    yield "HTTP/0.9", b"GET /healthz\r\n\r\n", bad, True
    yield "HTTP/1.2", head("GET /healthz HTTP/1.2"), ["505 http_version_not_supported"], True
    yield "HTTP/2.0", head("GET /healthz HTTP/2.0"), ["505 http_version_not_supported"], True
    yield "http/1.1 in lower case", head("GET /healthz http/1.1"), bad, True
    yield "HTTP/1.10", head("GET /healthz HTTP/1.10"), ["505 http_version_not_supported"], True
    yield "no version", head("GET /healthz FTP/1.1"), bad, True
    yield "two blanks", head("GET  /healthz HTTP/1.1"), bad, True
    yield "blank at the end", head("GET /healthz HTTP/1.1 "), bad, True
    yield "blank at the front", head(" GET /healthz HTTP/1.1"), bad, True
    yield "tab between", head("GET\t/healthz HTTP/1.1"), bad, True
    yield "blank in the target", head("GET /heal thz HTTP/1.1"), bad, True
    yield "method in lower case", head("get /healthz HTTP/1.1"), ["501 method_not_implemented"], True
    yield "unknown method", head("BREW /healthz HTTP/1.1"), ["501 method_not_implemented"], True
    yield "CONNECT", head("CONNECT localhost:80 HTTP/1.1"), ["501 method_not_implemented"], True
    yield "method is no token", head("G<T /healthz HTTP/1.1"), bad, True
    yield "known method, not here", head("PATCH /healthz HTTP/1.1"), ["405 method_not_allowed"], False
    yield "OPTIONS", head("OPTIONS /healthz HTTP/1.1"), ["405 method_not_allowed"], False
    yield "TRACE", head("TRACE /healthz HTTP/1.1"), ["405 method_not_allowed"], False


def target_cases():
    bad = ["400 malformed_target"]
    for target in (b"http://localhost/healthz", b"HTTP://localhost:8480/healthz", b"http://127.0.0.1/healthz?", b"http://[::1]:1/healthz"):
        yield f"absolute form {target}", with_target(target), ["200"], False
    yield "absolute form without a path", with_target(b"http://localhost"), ["404 not_found"], False
    yield "absolute form with a query alone", with_target(b"http://localhost?x=1"), ["404 not_found"], False
    yield "absolute form in HTTP/1.0 without host", head("GET http://localhost/healthz HTTP/1.0", host=""), ["200"], True
    yield "absolute form without host", head("GET http://localhost/healthz HTTP/1.1", host=""), ["400 malformed_host"], True
    yield "absolute form of https", with_target(b"https://localhost/healthz"), ["421 misdirected_request"], True
    for target in (b"http:///healthz", b"http://", b"http://?x", b"http://:80/healthz", b"http://user@localhost/healthz", b"http://user:x@localhost/",
                   b"http://local host/", b"http://localhost//healthz", b"http://localhost/../healthz", b"http:/healthz", b"http:localhost/healthz",
                   b"ftp://localhost/healthz", b"http://localhost\\healthz", b"http://localhost#x", b"httpx://localhost/healthz"):
        yield f"absolute form {target}", with_target(target), ["400 malformed_request"] if b" " in target else bad, True
    yield "asterisk form", b"OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n", bad, True
    yield "authority form", with_target(b"localhost:80"), bad, True
    for target in (b"//healthz", b"/v1//devices", b"/healthz//", b"/%00", b"/v1%2fdevices", b"/v1%2Fdevices", b"/v1%5cdevices",
                   b"/./healthz", b"/v1/../healthz", b"/v1/%2e%2e/healthz", b"/v1/.%2E/healthz", b"/healthz/.", b"/healthz/%2e",
                   b"/heal\xc3\xa9", b"/healthz#part", b"/heal\\thz", b'/heal"thz', b"/heal<thz", b"/heal%", b"/heal%4", b"/heal%zz",
                   b"/heal[thz", b"/heal{thz", b"/heal\x01thz", b"/heal|thz", b"/heal^thz"):
        yield f"target {target!r}"[:60], with_target(target), bad, True
    yield "encoded letters", with_target(b"/health%7a"), ["200"], False
    yield "encoded address", with_target(b"/v1/devices/0000%3A05%3a00.0"), ["200"], False
    yield "slash at the end", with_target(b"/healthz/"), ["404 not_found"], False
    yield "root", with_target(b"/"), ["404 not_found"], False
    yield "empty query", with_target(b"/healthz?"), ["200"], False
    yield "dots in the query", with_target(b"/healthz?/../"), ["400 unknown_parameter"], False
    yield "NUL in the query", with_target(b"/v1/devices?driver=%00"), ["400 invalid_value"], False
    yield "broken escape in the query", with_target(b"/v1/devices?driver=%4"), bad, True
    yield "longest target", with_target(b"/healthz?" + b"a" * (2048 - 9)), ["400 unknown_parameter"], False
    yield "too long target", with_target(b"/healthz?" + b"a" * (2049 - 9)), ["414 target_too_long"], True


def body_cases():
    def json_case(name, body, expected):
        return name, put(body), [expected], False
    yield json_case("good body", BIND, "200")
    yield json_case("body with blanks", b' \t\r\n{"driver" : null } \n', "200")
    yield json_case("duplicate key", b'{"driver":"vfio-pci","driver":null}', "400 duplicate_field")
    yield json_case("duplicate key written in two ways", b'{"driver":"vfio-pci","driv\\u0065r":null}', "400 duplicate_field")
    yield json_case("depth 32", b'{"x":' + b"[" * 31 + b"]" * 31 + b"}", "400 missing_field")
    yield json_case("depth 33", b'{"x":' + b"[" * 32 + b"]" * 32 + b"}", "400 invalid_json")
    yield json_case("depth 30000", b"[" * 30000, "400 invalid_json")
    yield json_case("integer beyond 64 bits", b'{"driver":18446744073709551616}', "400 invalid_value")
    yield json_case("integer below 64 bits", b'{"driver":-9223372036854775809}', "400 invalid_value")
    yield json_case("number beyond a double", b'{"driver":1e400}', "400 invalid_json")
    yield json_case("invalid UTF-8", b'{"driver":"\xff\xfe"}', "400 invalid_json")
    yield json_case("overlong UTF-8", b'{"driver":"\xc0\xaf"}', "400 invalid_json")
    yield json_case("lone surrogate", b'{"driver":"\\ud800"}', "400 invalid_json")
    yield json_case("NUL in a string", b'{"driver":"vfio\\u0000-pci"}', "400 invalid_value")
    yield json_case("raw control character", b'{"driver":"a\x01"}', "400 invalid_json")
    yield json_case("trailing garbage", BIND + b"x", "400 invalid_json")
    yield json_case("two documents", BIND + BIND, "400 invalid_json")
    yield json_case("empty body", b"", "400 invalid_json")
    yield json_case("blank body", b"  ", "400 invalid_json")
    yield json_case("array", b'["driver"]', "400 invalid_json")
    yield json_case("string", b'"driver"', "400 invalid_json")
    yield json_case("byte order mark", b"\xef\xbb\xbf" + BIND, "400 invalid_json")
    yield json_case("byte order mark of UTF-16", b"\xff\xfe" + BIND.decode().encode("utf-16-le"), "400 invalid_json")
    yield json_case("comment", b'{/*x*/"driver":null}', "400 invalid_json")
    yield json_case("trailing comma", b'{"driver":null,}', "400 invalid_json")
    yield json_case("unknown key", b'{"driver":null,"x":1}', "400 unknown_field")
    yield json_case("no key", b"{}", "400 missing_field")
    yield "content-type with charset", put(BIND, content_type="Content-Type: application/json; charset=utf-8"), ["200"], False
    yield "content-type in capitals", put(BIND, content_type="Content-Type: APPLICATION/JSON"), ["200"], False
    for value in ("text/plain", "application/x-www-form-urlencoded", "application/jsonx", "multipart/form-data; boundary=x", ""):
        yield f"content-type '{value}'", put(BIND, content_type=f"Content-Type: {value}"), ["415 unsupported_media_type"], False
    yield "no content-type", put(BIND, content_type=""), ["415 unsupported_media_type"], False
    yield "compressed body", put(BIND, "Content-Encoding: gzip"), ["415 unsupported_media_type"], True
    yield "identity body", put(BIND, "Content-Encoding: identity"), ["200"], False


def flow_cases():
    yield "two requests at once", OK + OK, ["200", "200"], False
    yield "three requests with a body between", OK + put(BIND) + OK, ["200", "200", "200"], False
    yield "a good one before a bad one", OK + head("BREW / HTTP/1.1"), ["200", "501 method_not_implemented"], True
    yield "nothing after a bad one", head("BREW / HTTP/1.1") + OK, ["501 method_not_implemented"], True
    yield "nothing after a close", head("GET /healthz HTTP/1.1", "Connection: close") + OK, ["200"], True
    yield "body is not a request", put(OK) + OK, ["400 invalid_json", "200"], False
    yield "expect something else", put(BIND, "Expect: 200-ok"), ["417 expectation_failed"], True
    yield "expect on a GET", head("GET /healthz HTTP/1.1", "Expect: 100-continue"), ["200"], False
    yield "expect twice", put(BIND, "Expect: 100-continue", "Expect: x"), ["400 malformed_request"], True
    yield "expect with the body behind it", put(BIND, "Expect: 100-Continue"), ["200"], False


def cases():
    for group in (framing_cases, length_cases, head_cases, line_cases, target_cases, body_cases, flow_cases):
        yield from group()
