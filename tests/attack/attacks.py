# SPDX-License-Identifier: Apache-2.0
"""What attackers do. Each function gives the work of one process (aside.py); ATTACKS in run.py puts them together."""
import collections
import json
import os
import re
import select
import socket
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../contract"))

import raw_cases  # noqa: E402
from crowd import Client, Crowd, open_stream  # noqa: E402
from harness import request_bytes  # noqa: E402

ITEMS = 40
ODDITIES = 100  # a second
PIPELINED = 100
DRIBBLE = 0.05  # seconds between two bytes
LEAVING = 150  # a second, of each process
SLOW_CONNECTIONS = 1000
SLOW_START = 40.0  # seconds in which they are all to be tried
QUEUED = 4000  # connections that a flood keeps


def get(target):
    return request_bytes("GET", target)


def with_json(method, target, document):
    return request_bytes(method, target, {"Content-Type": "application/json"}, json.dumps(document).encode())


def card(number):
    """host_directory.cpp: 256 in a bus."""
    return f"0000:{number // 256:02x}:{number // 8 % 32:02x}.{number % 8}"


def dry_run():
    items = [{"device": card(1 + number), "driver": "vfio-pci"} for number in range(ITEMS)]
    return with_json("POST", "/v1/bindings?dry_run=true", {"items": items})


def change_of(address):
    return with_json("PUT", f"/v1/devices/{address}/binding", {"driver": "vfio-pci"})


def claim(device):
    return with_json("POST", "/v1/claims", {"selector": {"vendor": "8086", "device": device}})


def asking(*groups):
    """Each group is (clients, place, request): they ask without a pause."""
    def work(stop):
        return Crowd(stop, [Client(place, data) for count, place, data in groups for _ in range(count)]).run()
    return work


def pipelining(clients, *places):
    def work(stop):
        data = get("/healthz") * PIPELINED
        return Crowd(stop, [Client(place, data, PIPELINED) for place in places for _ in range(clients)]).run()
    return work


def claiming(clients, place, device):
    """All at the same time, each once."""
    def work(stop):
        crowd = Crowd(stop, [Client(place, claim(device), once=True) for _ in range(clients)])
        begun = time.monotonic() + crowd.head_start
        counts = crowd.run(connected_first=True)
        return counts | {"seconds": round(time.monotonic() - begun, 2)}
    return work


def burning(stop):
    """No attack: what the processor time that attackers take does by itself."""
    stop.ready()
    turns = 0
    while not stop.asked():
        for _ in range(10_000):
            turns += 1
    return {"turns": turns}


def leaving(place, data):
    """Asks, and is gone before the answer."""
    def work(stop):
        counts = collections.Counter()
        stop.ready()
        begun, tried = time.monotonic(), 0
        while not stop.wait(begun + tried / LEAVING - time.monotonic()):
            tried += 1
            stream, error = open_stream(place)
            with stream:
                if error:
                    counts["queue full"] += 1
                    continue
                try:
                    stream.send(data)
                    counts["left"] += 1
                except OSError:
                    counts["not let in"] += 1
        return counts
    return work


class Held:
    """Connections that are kept, and made anew when the daemon ends them."""

    def __init__(self, places):
        self.places = places
        self.streams = [None] * len(places)
        self.counts = collections.Counter()

    def fill(self):
        """Which ones are new."""
        fresh = []
        for at, place in enumerate(self.places):
            if self.streams[at] is not None:
                continue
            stream, error = open_stream(place)
            if error:
                stream.close()
                self.counts["queue full"] += 1
                continue
            self.counts["connected"] += 1
            self.streams[at] = stream
            fresh.append(at)
        return fresh

    def look(self):
        """Notes those that the daemon has ended."""
        for at, stream in enumerate(self.streams):
            if stream is None:
                continue
            try:
                if stream.recv(4096):
                    self.counts["told"] += 1
                    continue
            except BlockingIOError:
                continue
            except OSError:
                pass
            self.lose(at)

    def lose(self, at):
        self.streams[at].close()
        self.streams[at] = None
        self.counts["ended"] += 1

    def held(self):
        return sum(stream is not None for stream in self.streams)


def idling(*groups):
    """Each group is (clients, place): they connect and say nothing."""
    def work(stop):
        held = Held([place for count, place in groups for _ in range(count)])
        held.fill()
        stop.ready()
        most = 0
        while not stop.wait(0.1):
            held.look()
            most = max(most, held.held())
            held.fill()
        return held.counts | {"held": most}
    return work


def never_reading(clients, place, data):
    """Each asks for something that no socket's buffer holds, and leaves the answer where it is."""
    def work(stop):
        streams = [socket.socket(socket.AF_INET, socket.SOCK_STREAM) for _ in range(clients)]
        for stream in streams:
            stream.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            stream.connect(("127.0.0.1", place))
            stream.sendall(data)
        stop.ready()
        stop.wait(3600)
        return {"asked": clients, "unread": sum(has_unread(stream) for stream in streams)}
    return work


def has_unread(stream):
    stream.setblocking(False)
    try:
        return bool(stream.recv(1, socket.MSG_PEEK))
    except OSError:
        return False


def dribbling(clients, *places):
    """A byte at a time: of a head that never ends, or of a body."""
    head = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: " + b"y" * 10_000
    body = request_bytes("PUT", f"/v1/devices/{card(1)}/binding?dry_run=true", {"Content-Type": "application/json"}, b" " * 10_000)
    body_begins = body.index(b"\r\n\r\n") + 4

    def work(stop):
        held = Held([place for place in places for _ in range(clients)])
        sent = [0] * len(held.places)
        stop.ready()
        while not stop.wait(DRIBBLE):
            for at in held.fill():
                sent[at] = 0
            for at, stream in enumerate(held.streams):
                data, begins = (body, body_begins) if at % 2 else (head, 1)
                try:
                    if stream is not None:
                        sent[at] += stream.send(data[sent[at]:max(begins, sent[at] + 1)])
                        held.counts["dribbled"] += 1
                except OSError:
                    held.lose(at)
            held.look()
        return held.counts
    return work


def sending_oddities(*places):
    """Broken and strange requests, so many a second; each connection is dropped when something has come, or after a second."""
    def work(stop):
        cases = [data for _, data, _, _ in raw_cases.cases()]
        counts = collections.Counter()
        open_ones = collections.deque()
        stop.ready()
        begun = time.monotonic()
        while not stop.wait(begun + counts["sent"] / ODDITIES - time.monotonic()):
            stream, error = open_stream(places[counts["sent"] % len(places)])
            try:
                if not error:
                    stream.setblocking(True)
                    stream.settimeout(1)
                    stream.sendall(cases[counts["sent"] % len(cases)])
            except OSError:
                pass  # refused before everything was read
            counts["sent"] += 1
            open_ones.append((time.monotonic() + 1, stream))
            drop_answered(open_ones, counts)
        return counts
    return work


def drop_answered(open_ones, counts):
    for _ in range(len(open_ones)):
        until, stream = open_ones.popleft()
        stream.setblocking(False)
        try:
            data = stream.recv(65536)
        except BlockingIOError:
            data = None
        except OSError:
            data = b""
        if data is None and time.monotonic() < until:
            open_ones.append((until, stream))
            continue
        counts["answered" if data else "without an answer"] += 1
        stream.close()


def connecting(place):
    """Connects as fast as it can, and keeps what it has made until the queue of connections is full."""
    def work(stop):
        counts = collections.Counter()
        kept = collections.deque()
        stop.ready()
        while not stop.asked():
            stream, error = open_stream(place)
            if error:
                stream.close()
                counts["queue full"] += 1
                for _ in range(min(len(kept), QUEUED // 4)):
                    kept.popleft().close()
                continue
            counts["connected"] += 1
            kept.append(stream)
            if len(kept) > QUEUED:
                kept.popleft().close()
        return counts
    return work


def connecting_and_closing(place):
    def work(stop):
        counts = collections.Counter()
        stop.ready()
        while not stop.asked():
            stream, error = open_stream(place)
            # With a reset, so that no port of TCP is kept for a minute.
            stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
            stream.close()
            counts["queue full" if error else "connected"] += 1
        return counts
    return work


def slowly(mode, port, path):
    """slowhttptest with that mode ("-H": heads, "-B": bodies, "-X": reads): what it has counted of its 1,000 connections."""
    def work(stop):
        test = ["slowhttptest", mode, "-c", str(SLOW_CONNECTIONS), "-r", str(SLOW_CONNECTIONS), "-i", "1", "-l", "600", "-v", "1",
                "-u", f"http://127.0.0.1:{port}{path}"]
        counts = collections.Counter()
        with subprocess.Popen(test, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as running:
            text, begun = b"", time.monotonic()
            while slow_counts(text)["opened"] < SLOW_CONNECTIONS * 9 // 10 and time.monotonic() < begun + SLOW_START:
                if select.select([running.stdout], [], [], 1)[0]:
                    text += os.read(running.stdout.fileno(), 65536)
            stop.ready()
            stop.wait(3600)
            running.terminate()
            counts += slow_counts(text + running.stdout.read())
        return counts
    return work


def slow_counts(text):
    """The most that slowhttptest has said so far."""
    plain = re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", text.decode(errors="replace"))
    found = {name: [int(number) for number in re.findall(rf"^{name}: +(\d+)$", plain, re.M)] for name in ("connected", "closed")}
    return {"opened": max(map(sum, zip(found["connected"], found["closed"])), default=0)} | {name: max(numbers, default=0) for name, numbers in found.items()}
