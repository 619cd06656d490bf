# SPDX-License-Identifier: Apache-2.0
"""What those who run the service see of it: metrics."""
import re

from harness import request_bytes
from scenarios import BINDING, CLAIMS, VFIO, expect, wait_for

METRICS = "/metrics"
SAMPLE = re.compile(r'^([a-z_]+)(?:\{(.*)\})? (\S+)$')


def samples(text):
    """{(name, labels sorted): value} of an answer."""
    found = {}
    for line in text.splitlines():
        if line.startswith("#"):
            continue
        name, labels, value = SAMPLE.match(line).groups()
        found[name, tuple(sorted(re.findall(r'([a-z]+)="([^"]*)"', labels or "")))] = float(value)
    return found


class Metrics:
    """What has moved since it was looked at last."""

    def __init__(self, client):
        self.client = client
        self.now = samples(client.ask("GET", METRICS, 200))

    def moved(self, name, **labels):
        key = (name, tuple(sorted(labels.items())))
        before, self.now = self.now, samples(self.client.ask("GET", METRICS, 200))
        return self.now.get(key, 0) - before.get(key, 0)

    def value(self, name, **labels):
        self.now = samples(self.client.ask("GET", METRICS, 200))
        return self.now.get((name, tuple(sorted(labels.items()))))


def metrics_of_changes(client, daemon):
    metrics = Metrics(client)
    expect(metrics.value("devbindd_ready") == 1 and metrics.value("devbindd_build_info", version=client.ask("GET", "/v1", 200)["version"]) == 1, "the service")
    expect(sum(value for (name, _), value in metrics.now.items() if name == "devbindd_devices") == 40, "devices")
    client.ask("PUT", BINDING.format("0000:20:00.0"), 200, VFIO)
    expect(metrics.moved("devbindd_operation_duration_seconds_count", kind="bind", outcome="succeeded") == 1, "an operation")
    expect(metrics.value("devbindd_devices_touched") == 1, "a device that was touched")
    client.ask("PUT", BINDING.format("0000:10:00.0"), 409, VFIO)
    expect(metrics.moved("devbindd_refusals_total", kind="bind", code="refused") == 1, "a refusal")
    client.ask("PUT", BINDING.format("0000:10:00.0") + "?dry_run=true", 200, VFIO)
    expect(metrics.moved("devbindd_refusals_total", kind="bind", code="refused") == 0, "a dry run is no refusal")
    client.ask("DELETE", BINDING.format("0000:20:00.0"), 200)
    expect(metrics.moved("devbindd_operation_duration_seconds_count", kind="restore", outcome="succeeded") == 1, "a give-back")
    cordoned = "/v1/devices/0000:20:00.0/cordon"
    client.ask("PUT", cordoned, 200, {})
    expect(metrics.moved("devbindd_devices_cordoned") == 1, "a cordon")
    client.ask("DELETE", cordoned, 200)
    expect(metrics.moved("devbindd_devices_cordoned") == -1, "its end")


def metrics_of_blocked_work(client, daemon):
    metrics = Metrics(client)
    operation = client.ask("PUT", BINDING.format("0000:16:00.0"), 202, {"driver": None, "accept_risks": ["vfio.open"]})
    expect(metrics.moved("devbindd_operations", state="blocked") == 1 and metrics.value("devbindd_operations", state="running") == 0, "blocked")
    daemon.control("close 0000:16:00.0")
    wait_for(client, "/v1/operations/" + operation["id"], "succeeded")
    expect(metrics.moved("devbindd_operations", state="blocked") == -1, "not blocked any more")
    expect(metrics.value("devbindd_operation_duration_seconds_count", kind="unbind", outcome="succeeded") == 1, "its end")


def metrics_of_claims(client, _):
    metrics = Metrics(client)
    claim = client.ask("POST", CLAIMS, 201, {"devices": ["0000:33:00.0"], "owner": {"users": [4242]}})
    expect(metrics.moved("devbindd_claims", state="active") == 1, "a claim")
    client.ask("POST", CLAIMS, 409, {"selector": {"vendor": "1234"}}, code="not_enough_devices")
    expect(metrics.moved("devbindd_refusals_total", kind="claim", code="not_enough_devices") == 1, "a claim that nobody got")
    client.ask("DELETE", f"{CLAIMS}/{claim['id']}", 200)
    expect(metrics.moved("devbindd_claims", state="active") == -1, "its end")
    expect(sum(metrics.value("devbindd_claim_resets_total", outcome=outcome) for outcome in ("done", "unavailable", "failed")) == 1, "its reset")
    expect(metrics.value("devbindd_journal_rows", table="claims") == 1 and metrics.value("devbindd_journal_bytes") > 0, "rows of the journal")


def metrics_of_devices(client, daemon):
    metrics = Metrics(client)
    client.ask("PUT", BINDING.format("0000:20:00.0"), 200, VFIO)
    expect(metrics.moved("devbindd_devices_drifted") == 0, "nobody else moved it")
    daemon.control("kernel-write sys/bus/pci/drivers/vfio-pci/unbind 0000:20:00.0")
    expect(metrics.moved("devbindd_devices_drifted") == 1, "drift")
    daemon.control("lose-uevents")
    expect(metrics.moved("devbindd_device_scans_total") == 1, "everything is read again")


def metrics_of_requests(client, daemon):
    metrics = Metrics(client)
    devices = {"route": "/v1/devices/{bdf}", "method": "GET"}
    for address in ("0000:20:00.0", "0000:21:00.0"):
        client.ask("GET", "/v1/devices/" + address, 200)
    client.ask("GET", "/v1/devices/nonsense", 400, code="invalid_address")
    expect(metrics.moved("devbindd_http_requests_total", status="2xx", **devices) == 2, "two devices")
    expect(metrics.now["devbindd_http_requests_total", tuple(sorted({**devices, "status": "4xx"}.items()))] == 1, "one that is none")
    expect(metrics.value("devbindd_http_request_duration_seconds_count", **devices) == 3, "how long they took")
    client.ask("PUT", "/v1/devices/0000:20:00.0", 405, {}, code="method_not_allowed")
    expect(metrics.moved("devbindd_http_requests_total", route="/v1/devices/{bdf}", method="PUT", status="4xx") == 1, "a method that is none")
    for path in ("/v1/nothing", "/v1/other"):
        client.ask("GET", path, 404, code="not_found")
    expect(metrics.moved("devbindd_http_requests_total", route="none", method="GET", status="4xx") == 2, "no route")
    client.exchange(request_bytes("GET", "/healthz", {"Expect": "nothing"}))
    expect(metrics.moved("devbindd_http_requests_total", route="none", method="other", status="4xx") == 1, "a head that is refused")
    client.exchange(request_bytes("BREW", "/v1/devices"))
    expect(metrics.moved("devbindd_http_requests_total", route="none", method="other", status="5xx") == 1, "no method")
    with daemon.connect() as idle:
        before = metrics.value("devbindd_connections")
        idle.send(request_bytes("GET", "/healthz"))
        idle.answer()
    with daemon.connect() as follower:
        follower.send(request_bytes("GET", "/v1/events"))
        expect(follower._more() and metrics.moved("devbindd_event_readers") == 1, "a follower")
    expect(before >= 2, "connections")
    text = client.ask("GET", METRICS, 200)
    expect(not re.search(r"[0-9a-f]{4}:[0-9a-f]{2}:|nothing|nonsense|BREW", text), "a text of a client, or a device")
    names = re.findall(r"^# TYPE (\S+)", text, re.M)
    expect(len(names) == len(set(names)) and len(text) < 60_000, "a family stands twice, or the answer is large")


TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def traces(client, daemon):
    """The trace of a request is that of its operation, its claim and its lines in the audit; what is none changes nothing."""
    fields = {"traceparent": TRACE}
    bound = client.ask("PUT", BINDING.format("0000:20:00.0"), 200, VFIO, fields=fields)
    expect(bound["driver"] == "vfio-pci", bound)
    operation = client.ask("GET", "/v1/operations", 200)["items"][0]
    expect(operation["requested_by"]["traceparent"] == TRACE, operation["requested_by"])
    client.ask("PUT", BINDING.format("0000:10:00.0"), 409, VFIO, fields=fields)
    claim = client.ask("POST", CLAIMS, 201, {"devices": ["0000:33:00.0"]}, fields=fields)
    expect(claim["requested_by"]["traceparent"] == TRACE, claim["requested_by"])
    audit = client.ask("GET", "/v1/audit", 200)["items"]
    expect({line["event"] for line in audit} == {"begun", "ended", "refused"}, audit)
    expect(all(line["requested_by"]["traceparent"] == TRACE for line in audit), "a line of the audit without it")
    for wrong in ("", "nonsense", TRACE.upper(), TRACE.replace("00-", "ff-", 1), TRACE + "-x", "00-" + "0" * 32 + TRACE[35:], TRACE + "\r\ntraceparent: " + TRACE):
        client.ask("DELETE", BINDING.format("0000:20:00.0"), 200, fields={"traceparent": wrong})
        operation = client.ask("GET", "/v1/operations", 200)["items"][0]
        expect("traceparent" not in operation["requested_by"], (wrong, operation["requested_by"]))
        client.ask("PUT", BINDING.format("0000:20:00.0"), 200, VFIO)


ALL = (metrics_of_changes, metrics_of_blocked_work, metrics_of_claims, metrics_of_devices, metrics_of_requests, traces)
