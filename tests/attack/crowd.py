# SPDX-License-Identifier: Apache-2.0
"""Many connections of one process, each with a state of its own, by one selector. Used by attacks.py."""
import collections
import errno
import re
import selectors
import socket
import time

AGAIN = 0.02  # seconds until a connection that was not let in is tried again
LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)


def open_stream(place):
    """A socket that does not block, on its way to a Unix path or a TCP port. Gives (socket, errno)."""
    unix = isinstance(place, str)
    stream = socket.socket(socket.AF_UNIX if unix else socket.AF_INET, socket.SOCK_STREAM)
    stream.setblocking(False)
    error = stream.connect_ex(place if unix else ("127.0.0.1", place))
    return stream, 0 if error == errno.EINPROGRESS else error


class Client:
    """Sends `data`, which asks for `answers` answers, and does so again when it has them all (unless `once`)."""

    def __init__(self, place, data, answers=1, once=False):
        self.place = place
        self.data = data
        self.answers = answers
        self.once = once
        self.stream = None
        self.counts = collections.Counter()
        self.begin()

    def begin(self):
        self.outgoing = memoryview(self.data)
        self.left = self.answers
        self.head = b""
        self.body = 0  # bytes of it that are still to come

    def send(self):
        while self.outgoing:
            sent = self.stream.send(self.outgoing)
            self.outgoing = self.outgoing[sent:]

    def receive(self):
        """Takes in what has come. False at the end of the stream."""
        data = self.stream.recv(1 << 18)
        self.counts["bytes"] += len(data)
        if not data:
            return False
        while data:
            if self.body:
                taken = min(self.body, len(data))
                self.body -= taken
                data = data[taken:]
            else:
                data = self._take_head(data)
                if data is None:
                    return True
            if not self.body:
                self.left -= 1
        return True

    def _take_head(self, data):
        """What comes behind the head of an answer, or None while that is not there."""
        self.head += data
        end = self.head.find(b"\r\n\r\n")
        if end < 0:
            return None
        head, rest = self.head[:end], self.head[end + 4:]
        self.head = b""
        length = LENGTH.search(head)
        self.body = int(length[1]) if length else 0
        self.counts[head[9:12].decode()] += 1
        return rest


class Crowd:
    """`counts`: what was answered by status, and "connected", "not let in", "queue full", "ended", "bytes"."""

    def __init__(self, stop, clients):
        self.stop = stop
        self.counts = collections.Counter()
        self.selector = selectors.DefaultSelector()
        self.selector.register(stop.told, selectors.EVENT_READ, None)
        self.later = [(0.0, client) for client in clients]
        self.at_work = len(self.later)
        for _, client in self.later:
            client.counts = self.counts

    def connect(self, client):
        client.begin()
        client.stream, error = open_stream(client.place)
        if error:
            self.counts["queue full" if error == errno.EAGAIN else "not let in"] += 1
            return self.leave(client)
        self.counts["connected"] += 1
        self.selector.register(client.stream, selectors.EVENT_WRITE, client)

    def leave(self, client):
        """Its connection is over: it comes again, unless it had all that it wanted."""
        client.stream.close()
        if client.once and client.left <= 0:
            self.at_work -= 1
        else:
            self.later.append((time.monotonic() + AGAIN, client))

    def drop(self, client):
        self.selector.unregister(client.stream)
        self.leave(client)

    def serve(self, client, events):
        try:
            if events & selectors.EVENT_WRITE:
                client.send()
                self.selector.modify(client.stream, selectors.EVENT_READ, client)
            elif not client.receive():
                self.counts["ended"] += 1
                return self.drop(client)
            if client.left > 0:
                return None
            if client.once:
                return self.drop(client)
            client.begin()
            client.send()
        except BlockingIOError:
            if client.outgoing:
                self.selector.modify(client.stream, selectors.EVENT_WRITE | selectors.EVENT_READ, client)
        except OSError:
            self.counts["ended"] += 1
            self.drop(client)
        return None

    def connect_due(self):
        now = time.monotonic()
        due = [client for at, client in self.later if at <= now]
        self.later = [(at, client) for at, client in self.later if at > now]
        for client in due:
            self.connect(client)

    head_start = 0.3  # seconds that whoever measures has before all ask at once

    def run(self, connected_first=False):
        """Until it is told to stop, or all have what they wanted."""
        self.connect_due()
        self.stop.ready()
        if connected_first:
            self.stop.wait(self.head_start)
        while self.at_work:
            for key, events in self.selector.select(AGAIN if self.later else 1.0):
                if key.data is None:
                    return self.counts
                self.serve(key.data, events)
            self.connect_due()
        return self.counts
