# SPDX-License-Identifier: Apache-2.0
"""Root's own doing while others attack: how long his questions take, and what becomes of his changes."""
import errno
import os
import socket
import struct
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../contract"))

from harness import Connection, request_bytes  # noqa: E402

HEALTH = request_bytes("GET", "/healthz")
PAUSE = 0.003  # between two questions
CHANGE_PAUSE = 0.02
LIMIT = struct.pack("ll", 10, 0)  # a client's patience


def connected(path):
    """(connection, whether the socket's queue of connections was full): a client that waits for its turn then."""
    stream = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    stream.setblocking(False)
    full = stream.connect_ex(path) == errno.EAGAIN
    stream.setblocking(True)
    stream.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, LIMIT)
    stream.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, LIMIT)
    if full:
        stream.connect(path)
    return Connection(stream), full


def asked(connection, data):
    """The status of the answer, 0 without one within LIMIT."""
    try:
        connection.send(data)
        answer = connection.answer()
    except (OSError, AssertionError):
        return 0
    return answer.status if answer is not None else 0


def asked_anew(path):
    """(status or 0, whether the queue of connections was full)"""
    try:
        connection, full = connected(path)
    except OSError:
        return 0, True
    with connection:
        return asked(connection, HEALTH), full


def share_of(sorted_times, share):
    """In milliseconds; 0 without any."""
    return sorted_times[min(len(sorted_times) - 1, int(len(sorted_times) * share))] * 1000 if sorted_times else 0.0


def times_of(seconds):
    ordered = sorted(seconds)
    return {"count": len(ordered), "p50": share_of(ordered, 0.5), "p99": share_of(ordered, 0.99), "worst": share_of(ordered, 1)}


def ask(path):
    """Asks again and again over one connection that stays, and over a new one each time."""
    def work(stop):
        established, fresh, unanswered, queue_full = [], [], 0, 0
        stays, _ = connected(path)
        stop.ready()
        while not stop.wait(PAUSE):
            begun = time.perf_counter()
            good = asked(stays, HEALTH) == 200
            established.append(time.perf_counter() - begun)
            if not good:
                unanswered += 1
                stays.stream.close()
                stays, _ = connected(path)
            begun = time.perf_counter()
            status, full = asked_anew(path)
            fresh.append(time.perf_counter() - begun)
            unanswered += status != 200
            queue_full += full
        return {"established": times_of(established), "new": times_of(fresh), "unanswered": unanswered, "queue_full": queue_full}
    return work


def change(path, card):
    """Binds the card to vfio-pci and gives it back, again and again; at the end it is given back."""
    target = f"/v1/devices/{card}/binding"
    bind = request_bytes("PUT", target, {"Content-Type": "application/json"}, b'{"driver":"vfio-pci"}')
    give_back = request_bytes("DELETE", target)

    def work(stop):
        counts = {"tried": 0, "succeeded": 0, "refused": 0, "failed": 0}
        times, wrong = [], ""
        connection, bound = given_back(path, give_back), False
        stop.ready()
        while bound or not stop.wait(CHANGE_PAUSE):
            begun = time.perf_counter()
            outcome, said = outcome_of(connection, give_back if bound else bind)
            times.append(time.perf_counter() - begun)
            counts["tried"] += 1
            counts[outcome] += 1
            bound = not bound and outcome == "succeeded"
            if outcome != "succeeded":
                wrong = wrong or said
                connection.stream.close()
                connection = given_back(path, give_back)
        return counts | {"times": times_of(times), "wrong": wrong}
    return work


def given_back(path, data):
    """A new connection; whatever has become of the card before, nothing is bound now."""
    for _ in range(3):
        connection, _ = connected(path)
        if asked(connection, data) == 200:
            return connection
        connection.stream.close()  # its answer may still come, to another question
    return connected(path)[0]


def outcome_of(connection, data):
    """(succeeded, refused or failed, what was answered)"""
    try:
        connection.send(data)
        answer = connection.answer()
    except (OSError, AssertionError) as error:
        return "failed", f"{type(error).__name__}: {error}"
    if answer is None:
        return "failed", "the connection ended without an answer"
    said = f"{answer.status} {answer.body[:300]!r}"
    if answer.status == 200 and answer.json()["changed"]:
        return "succeeded", said
    return "refused" if 400 <= answer.status < 500 else "failed", said
