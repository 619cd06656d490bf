#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Sends raw bytes to the contract daemon over real sockets and looks at every answer. Usage: raw_http.py CONTRACT_DAEMON"""
import contextlib
import os
import sys
import time

import raw_cases
from harness import Daemon, Report, request_bytes, wait_until

PROBLEM_FIELDS = ("type", "title", "status", "code", "detail", "instance")


def fault_in(answer, expected):
    """Why an answer is not the expected one, or ""."""
    if answer is None:
        return f"the connection ended instead of {expected}"
    status, _, code = expected.partition(" ")
    if answer.status != int(status):
        return f"{answer.status} {answer.code()} instead of {expected}"
    for field in ("api-version", "request-id", "content-length", "date", "cache-control", "x-content-type-options"):
        if field not in answer.fields:
            return f"there is no {field}"
    if code and (answer.code() != code or any(name not in answer.json() for name in PROBLEM_FIELDS)):
        return f"the problem is {answer.body[:200]!r} instead of {code}"
    return ""


def run_case(daemon, transport, data, expected, closes):
    head_only = data.startswith(b"HEAD ")
    with daemon.connect(transport) as connection:
        connection.send(data)
        for wanted in expected:
            fault = fault_in(connection.answer(head_only), wanted)
            if fault:
                return fault
        if closes:
            return "" if connection.ended() else f"more came: {connection.buffer[:80]!r}"
        connection.send(raw_cases.OK)
        return fault_in(connection.answer(), "200")


def timed(connection, expected, least, most):
    begun = time.monotonic()
    fault = fault_in(connection.answer(), expected)
    took = time.monotonic() - begun
    if fault:
        return fault
    if not least <= took <= most:
        return f"it took {took:.2f} s"
    return "" if connection.ended() else "the connection stays open"


def slow_head(daemon, transport):
    with daemon.connect(transport) as connection:
        connection.send(b"GET /healthz HTTP/1.1\r\nHost: ")
        return timed(connection, "408 request_timeout", 0.2, 3)


def dripping_head(daemon, transport):
    with daemon.connect(transport) as connection:
        begun = time.monotonic()
        connection.stream.settimeout(0.05)
        for byte in b"GET /healthz HTTP/1.1\r\nX: " + b"y" * 1000:
            connection.send(bytes([byte]))
            try:
                if connection.stream.recv(1, 2):  # MSG_PEEK
                    break
            except TimeoutError:
                continue
        connection.stream.settimeout(20)
        fault = fault_in(connection.answer(), "408 request_timeout")
        return fault or ("" if time.monotonic() - begun < 3 else "each byte starts the clock anew")


def half_a_head_behind_a_request(daemon, transport):
    with daemon.connect(transport) as connection:
        connection.send(raw_cases.OK + b"GET /healthz HTTP/1.1\r\n")
        return fault_in(connection.answer(), "200") or timed(connection, "408 request_timeout", 0.2, 3)


def missing_body(daemon, transport):
    with daemon.connect(transport) as connection:
        connection.send(raw_cases.put(raw_cases.BIND)[:-1])
        return timed(connection, "408 request_timeout", 0.2, 3)


def expect_continue(daemon, transport):
    with daemon.connect(transport) as connection:
        data = raw_cases.put(raw_cases.BIND, "Expect: 100-continue")
        connection.send(data[:-len(raw_cases.BIND)])
        interim = connection.answer()
        if interim is None or interim.status != 100:
            return "no 100 Continue came"
        connection.send(raw_cases.BIND)
        return fault_in(connection.answer(), "200")


def half_closed(daemon, transport):
    with daemon.connect(transport) as connection:
        connection.send(raw_cases.OK)
        connection.half_close()
        return fault_in(connection.answer(), "200") or ("" if connection.ended() else "the connection stays open")


def half_closed_in_the_head(daemon, transport):
    with daemon.connect(transport) as connection:
        connection.send(b"GET /healthz HTTP/1.1\r\n")
        connection.half_close()
        return "" if connection.ended() else "an answer came to half a request"


def gone_at_once(daemon, transport):
    for data in (b"", b"GET", raw_cases.OK, raw_cases.OK * 50, raw_cases.put(raw_cases.BIND)[:-3]):
        with daemon.connect(transport) as connection:
            connection.send(data)
    return run_case(daemon, transport, raw_cases.OK, ["200"], False)


def byte_by_byte(daemon, transport):
    with daemon.connect(transport) as connection:
        for byte in raw_cases.OK:
            connection.send(bytes([byte]))
        return fault_in(connection.answer(), "200")


def head_as_get(daemon, transport):
    with daemon.connect(transport) as connection:
        connection.send(raw_cases.head("GET /v1/devices HTTP/1.1"))
        full = connection.answer()
        connection.send(raw_cases.head("HEAD /v1/devices HTTP/1.1") + raw_cases.OK)
        alone = connection.answer(head_only=True)
        if alone.status != 200 or alone.fields["content-length"] != full.fields["content-length"]:
            return f"HEAD says {alone.status}, {alone.fields.get('content-length')} bytes"
        return fault_in(connection.answer(), "200")


def host_names(daemon, transport):
    """On TCP only the names of the loopback are served; on a Unix socket the name means nothing."""
    good = ["localhost", "LocalHost", "localhost:8480", "127.0.0.1", "127.0.0.1:1", "127.8.9.10", "[::1]", "[::1]:8480"]
    bad = ["example.com", "example.com:8480", "localhost.example.com", "127.0.0.1.example.com", "", "10.0.0.1", "[::2]", "0.0.0.0", "127.0.0.1:8480x"]
    for name in good + bad:
        status = "200" if name in good or transport == "unix" else "421 misdirected_request"
        data = raw_cases.head(host="Host: " + name)
        fault = run_case(daemon, transport, data, [status], status != "200")
        if fault:
            return f"Host '{name}': {fault}"
    return ""


def target_hosts(daemon, transport):
    """The host of a target in absolute form counts as the Host header does, and neither hides the other."""
    for target, host in (("http://example.com", "localhost"), ("http://localhost", "example.com"), ("http://example.com", "example.com"),
                         ("http://127.0.0.1.example.com", "localhost"), ("http://localhost", "localhost")):
        status = "200" if "example" not in target + host or transport == "unix" else "421 misdirected_request"
        data = raw_cases.head(f"GET {target}/healthz HTTP/1.1", host="Host: " + host)
        fault = run_case(daemon, transport, data, [status], status != "200")
        if fault:
            return f"{target} with Host '{host}': {fault}"
    return ""


def other_sites(daemon, transport):
    """On TCP nothing is answered that a browser sends for a page of another site; no browser reaches a Unix socket."""
    other = [("Origin", value) for value in ("http://example.com", "null", "", "http://localhost:1", "https://localhost", "http://127.0.0.1")]
    other += [("Sec-Fetch-Site", value) for value in ("cross-site", "same-site", "Cross-Site", "", "none, cross-site", "x")]
    own = [("Origin", "http://localhost"), ("Origin", "http://LOCALHOST:80"), ("Sec-Fetch-Site", "same-origin"), ("Sec-Fetch-Site", "none"), ("Sec-Fetch-Mode", "cors")]
    for method in ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"):
        for name, value in other + own:
            refused = (name, value) in other and transport == "tcp"
            data = raw_cases.head(f"{method} /healthz HTTP/1.1", f"{name}: {value}")
            status = "403" if refused else "200" if method in ("GET", "HEAD") else "405"
            code = " cross_site_request" if refused and method != "HEAD" else ""
            fault = run_case(daemon, transport, data, [status + code], refused)
            if fault:
                return f"{method} with {name} '{value}': {fault}"
    return ""


def change(binary, transport, *options):
    """The status of a real change over the transport."""
    with Daemon(binary, *options) as daemon, daemon.connect(transport) as connection:
        connection.send(request_bytes("PUT", "/v1/devices/0000:20:00.0/binding", {"Content-Type": "application/json"}, raw_cases.BIND))
        return connection.answer()


def changes_by_transport(binary):
    for transport, options, expected in (("unix", [], "200"), ("tcp", [], "403 forbidden"), ("tcp", ["--tcp-changes"], "200"),
                                         ("unix", ["--read-only"], "403 read_only")):
        fault = fault_in(change(binary, transport, *options), expected)
        if fault:
            return f"{transport} {options}: {fault}"
    return ""


def idle_connections(binary):
    with Daemon(binary, "--idle-ms=300", "--header-ms=300") as daemon:
        for data in (b"", raw_cases.OK):
            with daemon.connect() as connection:
                connection.send(data)
                if data and fault_in(connection.answer(), "200"):
                    return "the first request was not answered"
                if not connection.ended():
                    return "something came on an idle connection"
        wait_until(lambda: daemon.control("connections") == "0")
    return ""


@contextlib.contextmanager
def another_user(daemon):
    """Connections that are made in it are those of a user who may only read. The kernel takes the credentials of connect()."""
    os.chmod(daemon.directory, 0o711)
    os.chmod(daemon.path, 0o666)
    groups, uid, gid = os.getgroups(), os.geteuid(), os.getegid()
    os.setgroups([])
    os.setegid(65534)
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(uid)
        os.setegid(gid)
        os.setgroups(groups)


def users_connections(daemon, number):
    with another_user(daemon):
        return [daemon.connect() for _ in range(number)]


def turned_away(connection):
    answer = connection.answer()
    fault = fault_in(answer, "503 too_many_connections")
    return fault or ("" if "retry-after" in answer.fields and connection.ended() else "there is no Retry-After, or the connection stays")


def busy(connection):
    """A request that is under way: its body does not come."""
    connection.send(raw_cases.put(raw_cases.BIND)[:-1])
    return connection


def limits_of_one_transport(binary):
    """TCP can be full: its readers are turned away or take the place of idle ones, and nobody else notices."""
    with Daemon(binary, "--connections=20", "--reserve=5", "--per-transport=8", "--body-ms=60000", "--header-ms=60000") as daemon:
        taken = [busy(daemon.connect("tcp")) for _ in range(8)]
        wait_until(lambda: daemon.control("connections") == "8")
        time.sleep(0.1)
        with daemon.connect("tcp") as one_more:
            fault = turned_away(one_more)
        fault = fault or run_case(daemon, "unix", raw_cases.OK, ["200"], False)
        for connection in taken[:2]:
            connection.stream.close()
        wait_until(lambda: daemon.control("connections") == "6")
        first, second = daemon.connect("tcp"), daemon.connect("tcp")
        wait_until(lambda: daemon.control("connections") == "8")
        first.send(raw_cases.OK)
        fault = fault or fault_in(first.answer(), "200")  # now the second has been idle for longer
        with daemon.connect("tcp") as one_more:
            one_more.send(raw_cases.OK)
            fault = fault or fault_in(one_more.answer(), "200") or ("" if second.ended() else "the idlest stays")
        first.send(raw_cases.OK)
        return fault or fault_in(first.answer(), "200")


def limits_of_one_user(binary):
    with Daemon(binary, "--connections=20", "--reserve=5", "--per-user=4", "--body-ms=60000", "--header-ms=60000") as daemon:
        others = [busy(connection) for connection in users_connections(daemon, 4)]
        wait_until(lambda: daemon.control("connections") == "4")
        time.sleep(0.1)
        fault = turned_away(users_connections(daemon, 1)[0])
        for transport in ("unix", "tcp"):
            fault = fault or run_case(daemon, transport, raw_cases.OK, ["200"], False)
        others[0].stream.close()
        wait_until(lambda: daemon.control("connections") == "3")
        idle = users_connections(daemon, 1)[0]
        newest = users_connections(daemon, 1)[0]
        newest.send(raw_cases.OK)
        return fault or fault_in(newest.answer(), "200") or ("" if idle.ended() else "the user's idle connection stays")


def a_reserve_for_those_who_may_change(binary):
    """However many readers hold what they can, who may change things has room; then the idlest reader goes."""
    with Daemon(binary, "--connections=20", "--reserve=5", "--per-transport=15", "--body-ms=60000", "--header-ms=60000") as daemon:
        readers = [busy(daemon.connect("tcp")) for _ in range(14)] + [daemon.connect("tcp")]
        wait_until(lambda: daemon.control("connections") == "15")
        time.sleep(0.1)
        fault = ""
        mine = []
        for _ in range(6):
            mine.append(daemon.connect())
            mine[-1].send(raw_cases.OK)
            fault = fault or fault_in(mine[-1].answer(), "200")
        fault = fault or ("" if readers[-1].ended() else "the reader's idle connection stays")
        mine.append(daemon.connect())  # there is no idle reader: the idlest of those who may change things goes
        mine[-1].send(raw_cases.OK)
        fault = fault or fault_in(mine[-1].answer(), "200") or ("" if mine[0].ended() else "nobody went for it")
        if int(daemon.control("connections")) > 20:
            return f"{daemon.control('connections')} connections"
        with daemon.connect("tcp") as reader:
            return fault or turned_away(reader)


def refusals_are_bounded(binary):
    """Beyond a number of connections that are told that there is no room the others are closed, and cost nothing more."""
    with Daemon(binary, "--connections=4", "--reserve=2", "--per-transport=2", "--body-ms=60000") as daemon:
        taken = [busy(daemon.connect("tcp")) for _ in range(2)]
        wait_until(lambda: int(daemon.control("connections")) == len(taken))
        time.sleep(0.1)
        flood = [daemon.connect("tcp") for _ in range(200)]
        if fault := run_case(daemon, "unix", raw_cases.OK, ["200"], False):
            return fault
        if int(daemon.control("connections")) > 36:
            return f"{daemon.control('connections')} connections"
        told = [connection for connection in flood if not connection.ended()]
        if not 32 <= len(told) <= 64:  # one that ends makes room for another
            return f"{len(told)} were told"
        return ""


def idle_connections_go_for_others(binary):
    """256 idle connections of one user on TCP: nobody is turned away."""
    with Daemon(binary, "--header-ms=60000") as daemon:
        idle = [daemon.connect("tcp") for _ in range(600)]
        for transport in ("unix", "tcp"):
            for _ in range(20):
                if fault := run_case(daemon, transport, raw_cases.OK, ["200"], False):
                    return fault
        for connection in idle:
            connection.stream.close()
        wait_until(lambda: daemon.control("connections") == "0")
        return ""


def what_lasts_as_long_as_its_connection_keeps_it(binary):
    """A connection that a claim lasts as long as is no idle one."""
    with Daemon(binary, "--connections=2", "--reserve=1") as daemon:
        holder = daemon.connect()
        holder.send(request_bytes("POST", "/v1/claims", {"Content-Type": "application/json"}, b'{"devices":["0000:20:00.0"],"while_connected":true}'))
        fault = fault_in(holder.answer(), "201")
        others = []
        for _ in range(4):
            others.append(daemon.connect())
            others[-1].send(raw_cases.OK)
            fault = fault or fault_in(others[-1].answer(), "200")
        holder.send(request_bytes("GET", "/v1/claims"))
        return fault or fault_in(holder.answer(), "200")


def main():
    report = Report()
    binary = sys.argv[1]
    with Daemon(binary, "--header-ms=1500", "--body-ms=1500") as daemon:
        for transport in ("unix", "tcp"):
            for name, data, expected, closes in raw_cases.cases():
                report.check(f"{transport}: {name}", lambda: run_case(daemon, transport, data, expected, closes))
            for test in (expect_continue, half_closed, half_closed_in_the_head, gone_at_once, byte_by_byte, head_as_get, host_names, target_hosts, other_sites):
                report.check(f"{transport}: {test.__name__}", lambda: test(daemon, transport))
    with Daemon(binary, "--header-ms=400", "--body-ms=400") as daemon:
        for transport in ("unix", "tcp"):
            for test in (slow_head, dripping_head, half_a_head_behind_a_request, missing_body):
                report.check(f"{transport}: {test.__name__}", lambda: test(daemon, transport))
        report.check("connections are let go", lambda: wait_until(lambda: daemon.control("connections") == "0"))
    for test in (changes_by_transport, idle_connections, limits_of_one_transport, limits_of_one_user, a_reserve_for_those_who_may_change,
                 refusals_are_bounded, idle_connections_go_for_others, what_lasts_as_long_as_its_connection_keeps_it):
        report.check(test.__name__, lambda: test(binary))
    return report.end()


if __name__ == "__main__":
    sys.exit(main())
