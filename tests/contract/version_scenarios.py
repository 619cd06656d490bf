# SPDX-License-Identifier: Apache-2.0
"""Versions and events: entity tags, the long poll, changes of what was seen, and the stream of what changes."""
import json
import re

from harness import Answer, request_bytes
from scenarios import BINDING, BINDINGS, CLAIMS, VFIO, expect

CARD = "0000:33:00.0"
OTHER = "0000:34:00.0"
EVENTS = "/v1/events"
NO_TAG = '"0000000000000000"'


def claimed(client):
    return client.ask("POST", CLAIMS, 201, {"devices": [CARD], "owner": {"users": [4242]}})


def tag_of(client, target):
    answer = client.exchange(request_bytes("GET", target))
    expect(answer.status == 200, (target, answer.status))
    return answer.fields["etag"]


def readable(client):
    """A target for each path that can be read."""
    claim = claimed(client)["id"]
    operation = client.ask("GET", "/v1/operations", 200)["items"][0]["id"]
    for template, method in client.document.operations():
        if method != "get" or "304" not in client.document.operation(template, "get")["responses"]:
            continue
        target = template.replace("{bdf}", OTHER).replace("{number}", "2").replace("{name}", "vfio-pci")
        target = target.replace("{id}", operation if "operations" in template else claim)
        needed = [f"{item['name']}={item['example']}" for item in client.document.parameters(template, "get")
                  if item["in"] == "query" and item.get("required")]
        yield target + ("?" + "&".join(needed) if needed else "")


def not_modified(client, _):
    """Every answer has a tag, and 304 is the answer to whom has it."""
    for target in readable(client):
        tag = tag_of(client, target)
        expect(re.fullmatch('"[0-9a-f]{16}"', tag), (target, tag))
        for value in ("*", tag, f"{NO_TAG}, W/{tag}"):
            fields = client.ask("GET", target, 304, fields={"If-None-Match": value})
            expect(value == "*" or fields["etag"] == tag, (target, value, fields))
        for value in (NO_TAG, tag[:-1], "nonsense"):
            client.ask("GET", target, 200, fields={"If-None-Match": value})
    text = client.exchange(request_bytes("GET", "/v1/devices", {"Accept": "text/plain"}))
    expect(text.fields["etag"] != tag_of(client, "/v1/devices"), "a table and a document have one tag")


def tags_follow_changes(client, daemon):
    tags = [tag_of(client, "/v1/devices")]

    def changed():
        tags.append(tag_of(client, "/v1/devices"))
        return tags[-1] != tags[-2]
    expect(not changed(), "the tag changes by itself")
    client.ask("PUT", BINDING.format(CARD), 200, VFIO)
    expect(changed(), "by a bind")
    client.ask("PUT", f"/v1/devices/{CARD}/cordon", 200, {})
    expect(changed(), "by a cordon")
    client.ask("DELETE", f"/v1/devices/{CARD}/cordon", 200)
    expect(changed() and tags[-1] == tags[-3], "the same answer has another tag")
    claim = claimed(client)
    expect(changed(), "by a claim")
    client.ask("DELETE", f"{CLAIMS}/{claim['id']}", 200)
    expect(changed(), "by its end")
    daemon.control("kernel-write sys/bus/pci/drivers/e1000e/unbind 0000:05:00.0")
    expect(changed(), "by somebody else")


def if_match(client, _):
    """What has changed since it was read is not changed."""
    claim = claimed(client)["id"]
    changes = [("PUT", BINDING.format(OTHER), VFIO), ("DELETE", BINDING.format(OTHER), None), ("PUT", f"/v1/devices/{OTHER}/sriov", {"vfs": 0}),
               ("PUT", f"/v1/devices/{OTHER}/cordon", {}), ("DELETE", f"/v1/devices/{OTHER}/cordon", None),
               ("POST", CLAIMS, {"devices": [OTHER], "owner": {"users": [4242]}}), ("DELETE", f"{CLAIMS}/{claim}", None)]
    for method, target, body in changes:
        client.ask(method, target, 412, body, code="precondition_failed", fields={"If-Match": NO_TAG})
        client.ask(method, target, 412, body, code="precondition_failed", fields={"If-Match": "W/" + tag_of(client, target)})
        client.ask(method, target, 400, body, code="invalid_value", fields={"If-Match": "nonsense"})
    expect(client.ask("GET", BINDING.format(OTHER), 200)["driver"] != "vfio-pci", "it was changed")
    client.ask("POST", BINDINGS, 400, {"items": [{"device": OTHER, "driver": "vfio-pci"}]}, code="invalid_value", fields={"If-Match": "*"})
    seen = tag_of(client, BINDING.format(OTHER))
    client.ask("PUT", BINDING.format(OTHER), 200, VFIO, fields={"If-Match": seen})
    client.ask("DELETE", BINDING.format(OTHER), 412, code="precondition_failed", fields={"If-Match": seen})
    client.ask("DELETE", BINDING.format(OTHER), 200, fields={"If-Match": f"{seen}, {tag_of(client, BINDING.format(OTHER))}"})
    client.ask("DELETE", f"{CLAIMS}/{claim}", 200, fields={"If-Match": tag_of(client, f"{CLAIMS}/{claim}")})


def two_who_have_seen_the_same(client, daemon):
    """Both name the version that is there, at the same time: one of them changes it."""
    target = BINDING.format(CARD)
    seen = tag_of(client, target)
    fields = {"If-Match": seen, "Content-Type": "application/json"}
    with daemon.connect() as first, daemon.connect() as second:
        first.send(request_bytes("PUT", target, fields, json.dumps(VFIO).encode()))
        second.send(request_bytes("PUT", target, fields, json.dumps({"driver": None}).encode()))
        statuses = sorted(connection.answer().status for connection in (first, second))
    expect(statuses in ([200, 412], [200, 409]), statuses)


def long_poll(client, daemon):
    target = BINDING.format(CARD)
    tag = tag_of(client, target)
    client.ask("GET", target, 304, fields={"If-None-Match": tag, "Prefer": "wait=0"})
    fields = client.ask("GET", target, 304, fields={"If-None-Match": tag, "Prefer": "wait=1"})
    expect(fields["preference-applied"] == "wait=1", fields)
    with daemon.connect() as waiting:
        waiting.send(request_bytes("GET", target, {"If-None-Match": tag, "Prefer": "wait=60"}))
        client.ask("PUT", target, 200, VFIO)
        answer = waiting.answer()
        client.check("GET", target, answer, 200)
        expect(answer.fields["etag"] != tag, "the version that was known")
        # The operation that is under way is a version of its own.
        while answer.json()["driver"] != "vfio-pci" or answer.json()["operation"]:
            waiting.send(request_bytes("GET", target, {"If-None-Match": answer.fields["etag"], "Prefer": "wait=60"}))
            answer = waiting.answer()
            client.check("GET", target, answer, 200)


class Stream:
    """The events of one connection, in either form."""

    def __init__(self, daemon, target=EVENTS, fields=None, transport="unix"):
        self.connection = daemon.connect(transport)
        self.connection.send(request_bytes("GET", target, fields or {}))
        while b"\r\n\r\n" not in self.connection.buffer:
            expect(self.connection._more(), "the stream ended")
        head, self.connection.buffer = self.connection.buffer.split(b"\r\n\r\n", 1)
        self.head = head.decode()
        self.status = int(self.head.split(" ")[1])
        self.text = ""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.connection.stream.close()

    def chunk(self):
        """The next chunk, as HTTP/1.1 frames it."""
        buffer = self.connection
        while b"\r\n" not in buffer.buffer:
            expect(buffer._more(), "the stream ended")
        size, rest = buffer.buffer.split(b"\r\n", 1)
        length = int(size, 16)
        while len(rest) < length + 2:
            buffer.buffer = rest
            expect(buffer._more(), "the stream ended")
            rest = buffer.buffer
        expect(rest[length:length + 2] == b"\r\n", "a chunk has no end")
        buffer.buffer = rest[length + 2:]
        return rest[:length].decode()

    def block(self, separator):
        while separator not in self.text:
            self.text += self.chunk()
        block, self.text = self.text.split(separator, 1)
        return block

    def event(self):
        """The next server-sent event: (id, kind, document)."""
        while True:
            fields = dict(line.split(": ", 1) for line in self.block("\n\n").split("\n") if ": " in line)
            if "data" in fields:
                return fields["id"], fields["event"], json.loads(fields["data"])

    def until(self, kind, state=None):
        """The events up to one of that kind, and of that state."""
        found = []
        while True:
            found.append(self.event())
            if found[-1][1] == kind and state in (None, found[-1][2]["state"]):
                return found


def follow(client, daemon):
    """A bind, step by step, as who follows sees it; each document fits its schema."""
    schema = {"$ref": "#/components/schemas/HostEvent"}
    with Stream(daemon) as stream, Stream(daemon, f"{EVENTS}?device={OTHER}&kind=device.changed,operation.changed") as other:
        expect("text/event-stream" in stream.head and "chunked" in stream.head.lower(), stream.head)
        change = client.ask("PUT", BINDING.format(CARD), 200, VFIO)
        events = stream.until("operation.changed", "succeeded")
        for name, kind, document in events:
            expect(document["id"] == name and document["kind"] == kind, document)
            expect(not client.document.fault(schema, document), (document, client.document.fault(schema, document)))
        numbers = [int(name.split("-")[1]) for name, _, _ in events]
        expect(numbers == sorted(set(numbers)), numbers)
        operation = change["operation"]
        moved = [document for _, kind, document in events if kind == "device.changed" and "driver" in document["changes"]]
        expect(moved and moved[-1]["changes"]["driver"]["to"] == "vfio-pci" and moved[-1]["operation"] == operation, (moved, operation))
        expect(moved[0]["devices"] == [CARD] and moved[0]["iommu_groups"], moved)
        progress = [document["progress"]["steps_done"] for _, kind, document in events if kind == "operation.changed"]
        expect(progress == sorted(progress) and progress[-1] == events[-1][2]["progress"]["steps"], progress)
        client.ask("PUT", BINDING.format(OTHER), 200, VFIO)
        kinds = {kind for _, kind, document in other.until("operation.changed", "succeeded") if document["devices"] == [OTHER] or expect(False, document)}
        expect(kinds == {"device.changed", "operation.changed"}, kinds)


def follow_claims_and_cordons(client, daemon):
    with Stream(daemon) as stream:
        claim = claimed(client)
        states = [document["state"] for _, kind, document in stream.until("claim.changed", "active") if kind == "claim.changed"]
        expect(set(states[:-1]) == {"preparing"}, states)
        client.ask("DELETE", f"{CLAIMS}/{claim['id']}", 200)
        ended = stream.until("claim.changed", "released")[-1][2]
        expect(ended["claim"] == f"/v1/claims/{claim['id']}" and ended["devices"] == [CARD], ended)
        client.ask("PUT", f"/v1/devices/{CARD}/cordon", 200, {})
        client.ask("DELETE", f"/v1/devices/{CARD}/cordon", 200)
        expect([stream.until("cordon.changed")[-1][2]["state"] for _ in range(2)] == ["set", "cleared"], "cordons")


def somebody_else(client, daemon):
    """What nobody here has done has no operation; a device that devbindd had bound has drifted."""
    client.ask("PUT", BINDING.format(CARD), 200, VFIO)
    expect(client.ask("GET", f"/v1/devices/{CARD}", 200)["drift"] is None, "it has drifted at once")
    with Stream(daemon) as stream:
        daemon.control(f"kernel-write sys/bus/pci/drivers/vfio-pci/unbind {CARD}")
        now = client.ask("GET", f"/v1/devices/{CARD}", 200)
        expect(now["drift"] == {"expected_driver": "vfio-pci"} and now["driver"] is None, now["drift"])
        events = stream.until("device.drifted")
        expect(events[0][1] == "device.changed" and events[0][2]["operation"] is None, events)
        expect(events[-1][2]["changes"]["driver"] == {"from": "vfio-pci", "to": None}, events[-1])
        daemon.control(f"remove {OTHER}")
        client.ask("GET", "/v1/devices", 200)
        expect(stream.until("device.removed")[-1][2]["devices"] == [OTHER], "removed")
    client.ask("PUT", BINDING.format(CARD), 200, VFIO)
    expect(client.ask("GET", f"/v1/devices/{CARD}", 200)["drift"] is None, "it has still drifted")


def going_on(client, daemon):
    """Who comes again gets what he has missed, or is told that it is gone."""
    with Stream(daemon) as stream:
        begun = re.search("Last-Event-Id: (\\S+)", stream.head).group(1)
    client.ask("PUT", BINDING.format(CARD), 200, VFIO)
    for target, fields in ((f"{EVENTS}?since={begun}", {}), (f"{EVENTS}?since=nonsense", {"Last-Event-ID": begun})):
        with Stream(daemon, target, fields) as stream:
            missed = stream.until("operation.changed", "succeeded")
            expect(all(kind != "resync" for _, kind, _ in missed), missed)
    for known in ("deadbeef-3", begun.split("-")[0] + "-99999999", "nonsense"):
        with Stream(daemon, f"{EVENTS}?since={known}") as stream:
            name, kind, document = stream.event()
            expect(kind == "resync" and document["id"] == name == missed[-1][0], (known, name, kind))
    with Stream(daemon, f"{EVENTS}?since={begun}", {"Accept": "application/x-ndjson"}) as stream:
        expect("application/x-ndjson" in stream.head, stream.head)
        expect(json.loads(stream.block("\n"))["kind"], "a line is no event")
    one = "93d68a43-dee6-494a-ab23-150570d6bc63"
    target = f"{EVENTS}?device={CARD}&iommu_group=2&kind=device.changed&claim={one}&operation={one}&since={begun}"
    with Stream(daemon, target) as stream:
        client.check_request(EVENTS, "get", target, None, Answer(stream.status, "HTTP/1.1", {}, b""))
    for query, code in (("device=nonsense", "invalid_value"), ("iommu_group=x", "invalid_value"), ("kind=device", "invalid_value"), ("claim=1", "invalid_value"),
                        ("operation=1", "invalid_value"), ("since=" + "x" * 65, "invalid_value")):
        client.ask("GET", f"{EVENTS}?{query}", 400, code=code)


def many_who_follow(client, daemon):
    """All hear of one change; who may not change things has 48 streams."""
    streams = [Stream(daemon, transport="tcp") for _ in range(48)]
    try:
        expect(all(stream.status == 200 for stream in streams), [stream.status for stream in streams])
        refused = client.over("tcp").exchange(request_bytes("GET", EVENTS))
        client.check("GET", EVENTS, refused, 503, "too_busy")
        client.ask("PUT", f"/v1/devices/{CARD}/cordon", 200, {})
        names = {stream.until("cordon.changed")[-1][0] for stream in streams}
        expect(len(names) == 1, names)
    finally:
        for stream in streams:
            stream.connection.stream.close()
    with Stream(daemon) as stream:
        expect(stream.status == 200, "there is no room for root")


ALL = (not_modified, tags_follow_changes, if_match, two_who_have_seen_the_same, long_poll, follow, follow_claims_and_cordons, somebody_else, going_on,
       many_who_follow)
