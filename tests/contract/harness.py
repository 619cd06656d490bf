# SPDX-License-Identifier: Apache-2.0
"""Starts the contract daemon and speaks HTTP to it byte by byte. Used by run.py and raw_http.py."""
import json
import os
import shutil
import socket
import subprocess
import tempfile
import time

PATIENCE = 20.0  # seconds until something that must come counts as missing


class Daemon:
    """One contract daemon; also a context manager."""

    def __init__(self, binary, *options):
        self.directory = tempfile.mkdtemp(prefix="devbindd_contract_")
        self.path = os.path.join(self.directory, "socket")
        self.claims_path = os.path.join(self.directory, "claims")
        self.process = subprocess.Popen([binary, "--socket=" + self.path, "--claims-socket=" + self.claims_path, *options], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True, bufsize=1)
        words = self.process.stdout.readline().split()
        if len(words) not in (2, 3) or words[0] != "listening":
            raise RuntimeError("the contract daemon did not start")
        self.port, self.tls_port = int(words[1]), int(words[2]) if len(words) > 2 else 0  # 0: none

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def control(self, line):
        """Performs one command of control.hpp and gives its answer without the "ok"."""
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline().strip()
        if not answer.startswith("ok"):
            raise RuntimeError(f"control '{line}': {answer or 'the daemon has ended'}")
        return answer[3:]

    def open_files(self):
        """What its descriptors lead to."""
        folder = f"/proc/{self.process.pid}/fd"
        found = []
        for name in os.listdir(folder):
            try:
                found.append(os.readlink(f"{folder}/{name}"))
            except FileNotFoundError:
                pass  # closed meanwhile
        return found

    def stop(self):
        """Ends the daemon. A status other than 0 (a sanitizer's, a crash) is an error."""
        if self.process is None:
            return
        process, self.process = self.process, None
        try:
            process.stdin.close()
            status = process.wait(timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            status = process.wait()
        shutil.rmtree(self.directory, ignore_errors=True)
        if status != 0:
            raise RuntimeError(f"the contract daemon ended with status {status}")

    def connect(self, transport="unix", tls=None):
        if transport in ("unix", "claims"):
            stream = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            address = self.path if transport == "unix" else self.claims_path
        else:
            stream = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
            address = ("127.0.0.1", self.tls_port if tls else self.port)
        stream.settimeout(PATIENCE)
        stream.connect(address)
        return Connection(tls.wrap_socket(stream, server_hostname="localhost") if tls else stream)


class Answer:
    """One response as it came: status, fields with lower-case names, body."""

    def __init__(self, status, version, fields, body):
        self.status = status
        self.version = version
        self.fields = fields
        self.body = body

    def json(self):
        return json.loads(self.body.decode("utf-8"))

    def code(self):
        """The code of a problem, or ""."""
        if self.fields.get("content-type") != "application/problem+json":
            return ""
        return self.json()["code"]


class Connection:
    """A socket with a buffer, so that answers to pipelined requests can be told apart."""

    def __init__(self, stream):
        self.stream = stream
        self.buffer = b""
        self.descriptors = []  # that came along; the caller closes them

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stream.close()

    def send(self, data):
        try:
            self.stream.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            pass  # refused before everything was read: the answer is what counts

    def half_close(self):
        self.stream.shutdown(socket.SHUT_WR)

    def _more(self):
        if self.stream.family == socket.AF_UNIX:
            data, descriptors, _, _ = socket.recv_fds(self.stream, 65536, 253)
            self.descriptors += descriptors
        else:
            data = self.stream.recv(65536)
        self.buffer += data
        return bool(data)

    def answer(self, head_only=False):
        """The next response, or None at the end of the stream."""
        while b"\r\n\r\n" not in self.buffer:
            if not self._more():
                return None
        head, self.buffer = self.buffer.split(b"\r\n\r\n", 1)
        lines = head.decode("latin-1").split("\r\n")
        version, status = lines[0].split(" ")[:2]
        fields = {}
        for line in lines[1:]:
            name, value = line.split(":", 1)
            if name.lower() in fields:
                raise AssertionError(f"the field {name} came twice")
            fields[name.lower()] = value.strip()
        size = 0 if head_only or int(status) < 200 or int(status) == 304 else int(fields["content-length"])
        while len(self.buffer) < size:
            if not self._more():
                raise AssertionError("the body is shorter than its Content-Length")
        body, self.buffer = self.buffer[:size], self.buffer[size:]
        return Answer(int(status), version, fields, body)

    def ended(self):
        """True when the other side closes; False when bytes come instead."""
        try:
            return not self.buffer and not self._more()
        except ConnectionResetError:
            return True


def request_bytes(method, target, fields=None, body=b"", host="localhost"):
    lines = [f"{method} {target} HTTP/1.1", f"Host: {host}"]
    lines += [f"{name}: {value}" for name, value in (fields or {}).items()]
    if body or method in ("PUT", "POST"):
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


def wait_until(condition, patience=PATIENCE):
    end = time.monotonic() + patience
    while not condition():
        if time.monotonic() > end:
            raise AssertionError("it did not come to pass in time")
        time.sleep(0.005)


class Report:
    """Counts and prints: `ok NAME`, `FAIL NAME why`, at the end `N passed, N failed`."""

    def __init__(self):
        self.passed = 0
        self.failed = 0

    def check(self, name, test):
        try:
            why = test()
        except Exception as error:  # pylint: disable=broad-except
            why = f"{type(error).__name__}: {error}"
        if why:
            self.failed += 1
            print(f"FAIL {name} {why}", flush=True)
        else:
            self.passed += 1
            print(f"ok {name}", flush=True)

    def end(self):
        print(f"{self.passed} passed, {self.failed} failed")
        return 1 if self.failed or not self.passed else 0
