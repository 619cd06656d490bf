# SPDX-License-Identifier: Apache-2.0
"""Asks the contract daemon and holds every answer against openapi.yaml. Remembers what was seen."""
import json
from urllib.parse import parse_qsl

from harness import request_bytes

# Problems with a cause in the request's parameters or body, whose request must not fit the contract either.
REQUEST_CODES = ("unknown_field", "missing_field", "unknown_parameter", "repeated_parameter", "invalid_address", "invalid_name")


class Mismatch(Exception):
    pass


class Client:
    def __init__(self, document, daemon, seen, transport="unix"):
        self.document = document
        self.daemon = daemon
        self.seen = seen
        self.transport = transport

    def over(self, transport):
        return Client(self.document, self.daemon, self.seen, transport)

    def exchange(self, data, head_only=False):
        with self.daemon.connect(self.transport) as connection:
            connection.send(data)
            answer = connection.answer(head_only)
        if answer is None:
            raise Mismatch("the connection ended without an answer")
        return answer

    def ask(self, method, target, status, body=None, code=None, fields=None):
        """Sends a request, checks the answer against the contract, and gives its body. `body` is a value or raw bytes."""
        fields = dict(fields or {})
        raw = b""
        if body is not None:
            fields.setdefault("Content-Type", "application/json")
            raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        answer = self.exchange(request_bytes(method, target, fields, raw), method == "HEAD")
        self.check(method, target, answer, status, code)
        template = self.document.template_of(target)
        if template and method.lower() in self.document.root["paths"][template]:
            self.check_request(template, method.lower(), target, body, answer)
        if method == "HEAD":
            return None
        if answer.status == 304:
            return answer.fields
        return answer.json() if answer.fields["content-type"].split(";")[0].endswith("json") else answer.body.decode("utf-8")

    def check(self, method, target, answer, status, code=None):
        where = f"{method} {target[:80]}"
        if answer.status != status or (code and answer.code() != code):
            raise Mismatch(f"{where}: {answer.status} {answer.code()} instead of {status} {code or ''} {answer.body[:300]!r}")
        template = self.document.template_of(target)
        operation = "get" if method == "HEAD" else method.lower()
        response = None
        if template and operation in self.document.root["paths"][template]:
            response = self.document.response(template, operation, status)
            self.seen.add((template, operation, status))
            if answer.code():
                self.seen.add(("code", template, operation, answer.code()))
        response = response or self.document.root["components"]["responses"]["Problem"]
        fault = self.document.response_fault(response, answer, method == "HEAD", "fields=" in target)
        if fault:
            raise Mismatch(f"{where}: {status}: {fault}")
        self.check_problem(where, method, answer)

    @staticmethod
    def check_problem(where, method, answer):
        if answer.status < 400 or method == "HEAD":
            return
        problem = answer.json()
        if problem["status"] != answer.status or problem["instance"] != "urn:uuid:" + answer.fields["request-id"]:
            raise Mismatch(f"{where}: the problem's status or instance is another one")
        if problem["type"] != "urn:devbindd:problem:" + problem["code"]:
            raise Mismatch(f"{where}: the problem's type is {problem['type']}")

    def check_request(self, template, method, target, body, answer):
        """What is accepted must be allowed by the contract, and what is refused for its form must not be."""
        operation = self.document.operation(template, method)
        fault = self.document.query_fault(template, method, target) or self.document.path_fault(template, method, target)
        if not fault and isinstance(body, dict) and "requestBody" in operation:
            fault = self.document.body_fault(template, method, body)
        if answer.status < 300:
            self.seen.update((template, method, name) for name, _ in parse_qsl(target.partition("?")[2], keep_blank_values=True))
        if answer.status < 300 and fault:
            raise Mismatch(f"{method} {target}: was accepted, but the contract does not allow it: {fault}")
        if answer.code() in REQUEST_CODES and not fault and not isinstance(body, bytes):
            raise Mismatch(f"{method} {target}: was refused ({answer.code()}), but the contract allows it")
