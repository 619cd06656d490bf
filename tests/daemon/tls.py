#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Clients by TLS: who is let in, what his certificate gives him, what a new configuration changes. Runs the daemon with
--read-only, so that it can never write to this machine's devices, on a loopback port of its own. Usage: tls.py DEVBINDD"""
import contextlib
import http.client
import json
import os
import pathlib
import signal
import socket
import ssl
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "contract"))
from certificates import Certificates  # noqa: E402
from harness import Report  # noqa: E402
from processes import Place, free_port, wait_until  # noqa: E402

OPERATOR, READER, STRANGER = "uri:spiffe://example/operator", "dns:reader.example", "dns:stranger.example"


class TlsPlace(Place):
    """A daemon with a TLS port, and the certificates of whoever asks there."""

    def __init__(self, binary):
        super().__init__(binary)
        self.port = free_port()
        folder = self.directory.name
        self.ours, self.others = Certificates(folder, "ours"), Certificates(folder, "others")
        self.server = self.ours.issue("server", "dns:localhost", "serverAuth")
        self.clients = {name: self.ours.issue(name.partition(":")[2].replace("/", "_"), name) for name in (OPERATOR, READER, STRANGER)}
        self.log = open(os.path.join(folder, "log"), "w+", encoding="utf-8", errors="replace")
        self.access = [{"who": {"certificate": OPERATOR}, "role": "operator"}, {"who": {"certificate": READER}, "role": "reader"}]

    def write(self, **changes):
        document = {"unix": {"path": self.socket}, "access": self.access,
                    "tls": {"port": self.port, "certificate": self.server[0], "key": self.server[1], "client_ca": self.ours.path("ca.pem")}}
        pathlib.Path(self.configuration).write_text(json.dumps(document | changes), encoding="utf-8")

    def spawn(self):
        process = subprocess.Popen([self.binary, "--read-only", "--config", self.configuration], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=self.log)
        self.processes.append(process)
        return process

    def start_with(self, **changes):
        self.write(**changes)
        process = self.spawn()
        wait_until(lambda: process.poll() is not None or "is ready" in self.said(), 30, "the daemon is ready")
        if process.poll() is not None:
            raise AssertionError(f"the daemon ended: {self.said()}")
        return process

    def said(self):
        return pathlib.Path(self.log.name).read_text(encoding="utf-8", errors="replace")

    def reload(self, process, expected):
        before = self.said().count(expected)
        process.send_signal(signal.SIGHUP)
        wait_until(lambda: self.said().count(expected) > before, 10, f"the log says: {expected}")

    def context(self, files, authority=None):
        return (authority or self.ours).client(*(files or ()))

    def connection(self, name, **more):
        return http.client.HTTPSConnection("localhost", self.port, context=self.context(self.clients[name], **more), timeout=20)

    def ask(self, name, path="/v1/whoami", connection=None, method="GET", headers=None):
        connection = connection or self.connection(name)
        connection.request(method, path, headers=headers or {})
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read() or b"null")

    def fails(self, files, adjust=lambda context: None):
        """Whether the daemon answers nothing. A client of TLS 1.3 learns of a refusal only when it reads."""
        context = self.context(files)
        adjust(context)
        try:
            with socket.create_connection(("localhost", self.port), 20) as plain, context.wrap_socket(plain, server_hostname="localhost") as secret:
                secret.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
                return secret.recv(100) == b""
        except (ssl.SSLError, ConnectionError):
            return True


@contextlib.contextmanager
def running(binary, **changes):
    with TlsPlace(binary) as place:
        place.process = place.start_with(**changes)
        yield place
        place.process.send_signal(signal.SIGTERM)
        if place.process.wait(20) != 0:
            raise AssertionError(f"the daemon ended with {place.process.returncode}: {place.said()[-2000:]}")


def expect(condition, what):
    if not condition:
        raise AssertionError(what)


def roles(binary):
    with running(binary) as place:
        for name, role in ((OPERATOR, "operator"), (READER, "reader"), (STRANGER, "none")):
            status, who = place.ask(name)
            expect(status == 200, (name, status, who))
            expect((who["role"], who["transport"], who["entrance"], who["certificate"], who["uid"]) == (role, "tls", "tls", name, None), who)
        expect(place.ask(READER, "/v1/devices?page_size=1")[0] == 200, "a reader reads")
        expect(place.ask(STRANGER, "/v1/devices")[0] == 403, "who has no rule does not")
        status, problem = place.ask(READER, "/v1/devices/0000:00:00.0/binding", method="DELETE")
        expect((status, problem["code"]) == (403, "forbidden"), problem)
        # An operator's rights reach as far as a daemon that only reads.
        status, problem = place.ask(OPERATOR, "/v1/devices/0000:00:00.0/binding", method="DELETE")
        expect(problem["code"] in ("read_only", "device_not_found"), problem)
        expect("tls 127.0.0.1 " + READER in place.said(), "the log names the certificate")


def by_fingerprint(binary):
    with TlsPlace(binary) as place:
        printed = subprocess.run(["openssl", "x509", "-noout", "-fingerprint", "-sha256", "-in", place.clients[STRANGER][0]], check=True, capture_output=True, text=True).stdout
        place.access.insert(0, {"who": {"certificate": "sha256:" + printed.strip().rpartition("=")[2]}, "role": "claimant", "devices": "all"})
        place.start_with()
        expect(place.ask(STRANGER)[1]["role"] == "claimant", "the fingerprint as openssl prints it")
        expect(place.ask(READER)[1]["role"] == "reader", "and nobody else has it")


def strangers_are_not_let_in(binary):
    with running(binary) as place:
        other = place.others.issue("operator", OPERATOR)
        server_only = place.ours.issue("purpose", OPERATOR, "serverAuth")
        expired = place.ours.issue("expired", OPERATOR, days="0")
        expect(not place.fails(place.clients[OPERATOR]), "the one that is let in")
        expect(place.fails(None), "no certificate")
        expect(place.fails(other), "that of another authority, with the same name")
        expect(place.fails(server_only), "one that is not for clients")
        time.sleep(1.1)  # its time ends within the second of its issue
        expect(place.fails(expired), "one whose time is over")
        wait_until(lambda: "was not let in" in place.said(), 10, "the log says so")
        expect("unable to get local issuer certificate" in place.said(), place.said())


def old_protocols(binary):
    def at_most(version):
        def adjust(context):
            context.minimum_version, context.maximum_version = ssl.TLSVersion.TLSv1_2, version
        return adjust

    with running(binary) as place:
        expect(place.fails(place.clients[OPERATOR], at_most(ssl.TLSVersion.TLSv1_2)), "TLS 1.2")
        expect(not place.fails(place.clients[OPERATOR], at_most(ssl.TLSVersion.TLSv1_3)), "TLS 1.3")
        with socket.create_connection(("localhost", place.port), 20) as plain:
            plain.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
            answered = b"x"
            with contextlib.suppress(ConnectionError):
                answered = plain.recv(100)
            expect(not answered.startswith(b"HTTP"), answered)


def reload_keeps_connections(binary):
    with running(binary) as place:
        connection = place.connection(STRANGER)
        expect(place.ask(STRANGER, connection=connection)[1]["role"] == "none", "before")
        socket_before = connection.sock
        new = place.others.issue("server", "dns:localhost", "serverAuth")
        place.server = new
        place.access.append({"who": {"certificate": STRANGER}, "role": "reader"})
        place.write()
        place.reload(place.process, "are in force as they are now")
        expect(place.ask(STRANGER, connection=connection)[1]["role"] == "reader", "the new rule counts on the old connection")
        expect(connection.sock is socket_before, "which has stayed")
        expect(place.ask(STRANGER, connection=place.connection(STRANGER, authority=place.others))[0] == 200, "the new certificate is shown")
        with contextlib.suppress(ssl.SSLError):
            place.ask(STRANGER)
            raise AssertionError("the old certificate is still shown")


def a_broken_reload_changes_nothing(binary):
    with running(binary) as place:
        good = place.server
        place.access.append({"who": {"certificate": STRANGER}, "role": "reader"})
        for files, words in ((("/nowhere.pem", good[1]), "No such file"), ((good[0], place.clients[READER][1]), "key values mismatch"),
                             ((place.configuration, good[1]), "cannot be used")):
            place.server = files
            place.write()
            place.reload(place.process, "what was in force stays so")
            expect(words in place.said(), (words, place.said()[-800:]))
            expect(place.ask(STRANGER)[1]["role"] == "none", "not even the rules, which were good")
        pathlib.Path(place.configuration).write_text("{", encoding="utf-8")
        place.reload(place.process, "what was in force stays so")
        expect(place.ask(READER)[1]["role"] == "reader", "after a file that is no JSON")


def wrong_files_at_the_start(binary):
    with TlsPlace(binary) as place:
        os.chmod(place.server[1], 0o644)
        place.write()
        process = place.spawn()
        expect(process.wait(20) == 1 and "can be read by everybody" in place.said(), place.said())


def credentials(binary):
    with TlsPlace(binary) as place:
        folder = os.path.join(place.directory.name, "credentials")
        os.mkdir(folder, 0o700)
        os.rename(place.server[1], os.path.join(folder, "tls-key"))
        place.server = (place.server[0], "credential:tls-key")
        place.write()
        process = place.spawn()
        expect(process.wait(20) == 1 and "LoadCredential=" in place.said(), place.said())
        os.environ["CREDENTIALS_DIRECTORY"] = folder
        try:
            place.start_with()
        finally:
            del os.environ["CREDENTIALS_DIRECTORY"]
        expect(place.ask(READER)[0] == 200, "the key was a credential")


def handshakes_that_take_long(binary):
    with running(binary) as place:
        slow = [socket.create_connection(("localhost", place.port), 20) for _ in range(100)]
        for one in slow:
            one.sendall(b"\x16\x03\x01")  # the beginning of a handshake
        expect(place.ask(READER)[0] == 200, "another one is let in meanwhile")
        for one in slow:
            one.settimeout(20)
            with contextlib.suppress(ConnectionError):
                one.recv(1)
            one.close()
        expect("it did not finish the handshake in time" in place.said(), "their time is over")
        expect("the slowest of too many handshakes" in place.said(), "there were too many")


def large_answers_and_streams(binary):
    with running(binary) as place:
        status, document = place.ask(READER, "/openapi.json")
        expect(status == 200 and document["openapi"].startswith("3.1"), "the whole contract")
        with socket.create_connection(("localhost", place.port), 20) as plain, place.context(place.clients[READER]).wrap_socket(plain, server_hostname="localhost") as secret:
            secret.sendall(b"GET /v1/events HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n")
            expect(secret.recv(4096).startswith(b"HTTP/1.1 200"), "events are followed")
        # Requests one after the other on one connection, sent at once.
        with socket.create_connection(("localhost", place.port), 20) as plain, place.context(place.clients[READER]).wrap_socket(plain, server_hostname="localhost") as secret:
            secret.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n" * 20 + b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            answered = b""
            while part := secret.recv(65536):
                answered += part
            expect(answered.count(b"HTTP/1.1 200 OK") == 21, answered[-500:])


def the_own_chain_alone(binary):
    with running(binary) as place:
        shown = subprocess.run(["openssl", "s_client", "-connect", f"localhost:{place.port}", "-showcerts"], stdin=subprocess.DEVNULL, capture_output=True, text=True).stdout
        expect(shown.count("BEGIN CERTIFICATE") == 1, "the authority of clients is shown as part of the server's chain")


def pages_of_others(binary):
    with running(binary) as place:
        status, problem = place.ask(READER, headers={"Origin": "https://evil.example"})
        expect((status, problem["code"]) == (403, "cross_site_request"), problem)
        expect(place.ask(READER, headers={"Host": "host-7.example"})[0] == 200, "any host may be named")


def the_thread_ends(binary):
    """With clients connected, and a handshake that does not end."""
    with running(binary) as place:
        idle = place.connection(READER)
        expect(place.ask(READER, connection=idle)[0] == 200, "connected")
        place.waiting = socket.create_connection(("localhost", place.port), 20)


ALL = (roles, by_fingerprint, strangers_are_not_let_in, old_protocols, reload_keeps_connections, a_broken_reload_changes_nothing, wrong_files_at_the_start, credentials,
       handshakes_that_take_long, large_answers_and_streams, the_own_chain_alone, pages_of_others, the_thread_ends)


def main():
    report = Report()
    for test in ALL:
        report.check(test.__name__, lambda test=test: test(sys.argv[1]) or "")
    return report.end()


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    sys.exit(main())
