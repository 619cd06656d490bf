#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Holds the daemon against openapi.yaml: every path, method and status must be seen, and nothing that is not documented.
Usage: run.py CONTRACT_DAEMON"""
import os
import pathlib
import re
import subprocess
import sys

import access_scenarios
import claim_scenarios
import scenarios
import service_scenarios
import version_scenarios
from client import Client
from document import Document
from harness import Daemon, Report, request_bytes

SOURCE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
# What HTTP itself can answer on every path, and the request that asks for it.
ARGUMENTS = {"bdf": "0000:20:00.0", "number": "2", "name": "vfio-pci", "id": "93d68a43-dee6-494a-ab23-150570d6bc63"}


def lines_of(binary, option):
    return subprocess.run([binary, option], check=True, capture_output=True, text=True).stdout.splitlines()


def difference(left, right):
    return f"only in the daemon: {sorted(left - right)}; only in openapi.yaml: {sorted(right - left)}" if left != right else ""


def compare_routes(binary, document):
    routes = {tuple(line.split(" ", 1)) for line in lines_of(binary, "--routes")}
    return difference(routes, {(method.upper(), template) for template, method in document.operations()})


def compare_evidence(binary, document):
    codes = {line.split()[1] for line in lines_of(binary, "--codes") if line.startswith("evidence ")}
    return difference(codes, set(document.root["components"]["schemas"]["EvidenceCode"]["enum"]))


def codes_in_sources():
    """The codes that api/ gives by itself: the first word in quotes of these calls."""
    calls = (r'(?:refuse|bad_request|problem)\((?:request_?,\s*)?(?:\d+,\s*)?"([a-z_0-9]+)"|Mistake\{"([a-z_]+)"'
             r'|mistakes(?:_|\(\))?\.add\(\s*"([a-z_]+)"|\{\d{3}, "([a-z_]+)"')
    found = set()
    for path in sorted(pathlib.Path(SOURCE, "api").rglob("*.[ch]pp")):
        for match in re.finditer(calls, path.read_text(encoding="utf-8")):
            found.add(next(group for group in match.groups() if group))
    return found


def compare_problems(binary, document):
    codes = {line.split()[1] for line in lines_of(binary, "--codes") if line.startswith("error ")}
    enum = document.root["components"]["schemas"]["ProblemCode"]["enum"]
    return difference(codes | codes_in_sources(), set(enum))


def check_examples(document, report):
    for place, schema, example in document.examples():
        report.check("example " + place, lambda: document.fault(schema, example))


def check_schemas(document):
    """A response must be open, a request closed; every reference must lead somewhere."""
    schemas = document.root["components"]["schemas"]
    closed = {name for name, schema in schemas.items() if schema.get("additionalProperties") is False}
    asked = {name for name in schemas if name.endswith("Request")}
    text = document.bytes.decode()
    names = set(re.findall(r'\$ref: "(#/[^"]+)"', text))
    for name in names:
        document.resolver.resolve(name)
    unused = {f"#/components/{kind}/{name}" for kind, items in document.root["components"].items() for name in items} - names
    unused -= {"#/components/responses/MethodNotAllowed", "#/components/responses/NotImplemented"}
    unused -= {"#/components/securitySchemes/" + name for item in document.root["security"] for name in item}
    return difference(closed, asked) or (f"not used: {sorted(unused)}" if unused else "")


def target_of(document, template, method):
    path = re.sub(r"\{([a-z]+)\}", lambda match: ARGUMENTS[match.group(1)], template)
    needed = [f"{item['name']}={item['example']}" for item in document.parameters(template, method) if item["in"] == "query" and item.get("required")]
    return path + ("?" + "&".join(needed) if needed else "")


def protocol_requests(method, target):
    """(status, code, bytes) of what the server refuses before it looks at the path."""
    sep = "&" if "?" in target else "?"
    body = b"{}" if method in ("PUT", "POST") else b""
    kind = {"Content-Type": "application/json"} if body else {}

    def with_field(name, value):
        return request_bytes(method, target, {**kind, name: value}, body)
    plain = request_bytes(method, target, kind, body)
    yield 400, None, request_bytes(method, target + sep + "nonsense=1", kind, body)
    yield 400, "malformed_host", plain.replace(b"Host:", b"Hast:")
    yield 411, "length_required", with_field("Transfer-Encoding", "chunked")
    yield 413, "body_too_large", request_bytes(method, target, {**kind, "Content-Length": "65537"}).replace(b"Content-Length: 0\r\n", b"")
    yield 414, "target_too_long", request_bytes(method, target + sep + "x=" + "y" * 2048, kind, body)
    yield 415, "unsupported_media_type", with_field("Content-Encoding", "gzip")
    yield 417, "expectation_failed", with_field("Expect", "nothing")
    yield 431, "header_too_large", with_field("X", "y" * 17000)
    yield 505, "http_version_not_supported", plain.replace(b"HTTP/1.1", b"HTTP/1.3")


def check_protocol(client, template, method):
    target = target_of(client.document, template, method.lower())
    for status, code, data in protocol_requests(method, target):
        client.check(method, target, client.exchange(data), status, code)
    evil = request_bytes(method, target, host="example.com")
    client.check(method, target, client.over("tcp").exchange(evil), 421, "misdirected_request")
    for name, value in (("Origin", "http://example.com"), ("Sec-Fetch-Site", "cross-site")):
        client.check(method, target, client.over("tcp").exchange(request_bytes(method, target, {name: value})), 403, "cross_site_request")


def check_other_methods(client, template):
    """405 with exactly the methods that are documented, 501 for what is no method, HEAD like GET."""
    item = client.document.root["paths"][template]
    allowed = {method.upper() for method in item if method in ("get", "put", "post", "delete")}
    allowed |= {"HEAD"} if "GET" in allowed else set()
    target = target_of(client.document, template, next(method for method in item if method.upper() in allowed)).split("?")[0]
    for method in ("GET", "HEAD", "PUT", "POST", "DELETE", "PATCH", "OPTIONS", "TRACE", "BREW"):
        if method in allowed:
            continue
        answer = client.exchange(request_bytes(method, target), method == "HEAD")
        name = "NotImplemented" if method == "BREW" else "MethodNotAllowed"
        if answer.status != (501 if method == "BREW" else 405):
            return f"{method}: {answer.status}"
        fault = client.document.response_fault(client.document.root["components"]["responses"][name], answer, method == "HEAD")
        if fault or (method != "BREW" and set(answer.fields["allow"].split(", ")) != allowed):
            return f"{method}: {fault or answer.fields['allow']}"
    if "GET" in allowed and "{id}" not in template:
        client.ask("HEAD", target, 200)
    return ""


def check_slow_requests(document, binary, seen):
    """408 for every operation, all at the same time."""
    with Daemon(binary, "--header-ms=500") as daemon:
        client = Client(document, daemon, seen)
        waiting = []
        for template, method in document.operations():
            target = target_of(document, template, method)
            connection = daemon.connect()
            connection.send(f"{method.upper()} {target} HTTP/1.1\r\nHost: local".encode())
            waiting.append((method.upper(), target, connection))
        for method, target, connection in waiting:
            with connection:
                client.check(method, target, connection.answer(), 408, "request_timeout")


def check_full_house(document, binary, seen):
    """503 for every operation, when no connection is left."""
    with Daemon(binary, "--connections=0") as daemon:
        client = Client(document, daemon, seen)
        for template, method in document.operations():
            target = target_of(document, template, method)
            client.check(method.upper(), target, client.exchange(request_bytes(method.upper(), target)), 503, "too_many_connections")


def check_read_only(document, binary, seen):
    with Daemon(binary, "--read-only") as daemon:
        client = Client(document, daemon, seen)
        for method, target, body in scenarios.changes("0000:20:00.0"):
            client.ask(method, target, 403, body, code="read_only")
            client.ask(method, target + ("&" if "?" in target else "?") + "dry_run=true", 200, body)
        if not client.ask("GET", "/v1", 200)["read_only"]:
            return "it does not say that it is read-only"
    return ""


def run_scenario(document, binary, seen, scenario, *options):
    with Daemon(binary, *options) as daemon:
        scenario(Client(document, daemon, seen), daemon)


def check_document(document, binary, report):
    report.check("routes", lambda: compare_routes(binary, document))
    report.check("evidence codes", lambda: compare_evidence(binary, document))
    report.check("problem codes", lambda: compare_problems(binary, document))
    report.check("schemas", lambda: check_schemas(document))
    check_examples(document, report)


def check_daemon(document, binary, report, seen):
    for scenario in scenarios.ALL + claim_scenarios.ALL + version_scenarios.ALL + service_scenarios.ALL:
        report.check(scenario.__name__, lambda: run_scenario(document, binary, seen, scenario))
    for scenario, option in ((scenarios.descriptors_over_tcp, "--tcp-changes"), (scenarios.while_connected, "--idle-ms=300"),
                             (scenarios.pages_of_many, "--cards=2000"), (scenarios.short_questions_beside_long_lists, "--cards=2000")):
        report.check(scenario.__name__, lambda: run_scenario(document, binary, seen, scenario, option))
    with Daemon(binary) as daemon:
        client = Client(document, daemon, seen)
        for template, method in document.operations():
            report.check(f"protocol {method.upper()} {template}", lambda: check_protocol(client, template, method.upper()))
        for template in document.root["paths"]:
            report.check(f"other methods {template}", lambda: check_other_methods(client, template))
        report.check("unknown path", lambda: client.ask("GET", "/v1/nothing", 404, code="not_found") and "")
    for check in (check_slow_requests, check_full_house, check_read_only):
        report.check(check.__name__, lambda: check(document, binary, seen))


def check_coverage(document, seen, report):
    statuses = {item for item in seen if isinstance(item[2], int)}
    for template, method, name in sorted(document.query_parameters() - seen):
        report.check(f"used {method.upper()} {template} ?{name}", lambda: "is documented, but was never accepted")
    for template, method, status in sorted(document.documented() - statuses):
        report.check(f"seen {method.upper()} {template} {status}", lambda: "is documented, but never came")
    for template, method, status in sorted(statuses - document.documented()):
        report.check(f"documented {method.upper()} {template} {status}", lambda: "came, but is not documented")
    report.check(f"coverage of {len(document.documented())} answers", lambda: "" if document.documented() <= seen else "is not complete")


def check_codes(document, seen, report):
    """Each operation lists in x-error-codes the problems that it may give besides those that every path may give."""
    everywhere = set(document.root["x-error-codes"])
    known = set(document.root["components"]["schemas"]["ProblemCode"]["enum"])
    listed_anywhere = set(everywhere)
    for template, method in document.operations():
        came = {item[3] for item in seen if item[:3] == ("code", template, method)} - everywhere
        listed = set(document.operation(template, method).get("x-error-codes", []))
        listed_anywhere |= listed
        fault = f"came, but are not listed: {sorted(came - listed)}" if came - listed else ""
        report.check(f"codes {method.upper()} {template}", lambda: fault or (f"stand for every path: {sorted(listed & everywhere)}" if listed & everywhere else ""))
    report.check("codes of all paths", lambda: difference(listed_anywhere, known))


def main():
    binary = sys.argv[1]
    document = Document(os.path.join(SOURCE, "openapi.yaml"))
    report = Report()
    seen = set()
    check_document(document, binary, report)
    check_daemon(document, binary, report, seen)
    access_scenarios.check_access(document, binary, seen, report, target_of)
    check_coverage(document, seen, report)
    check_codes(document, seen, report)
    return report.end()


if __name__ == "__main__":
    sys.exit(main())
