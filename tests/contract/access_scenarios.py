# SPDX-License-Identifier: Apache-2.0
"""Who may do what: every route for every role at every entrance (access_table.txt), and what a role bounds."""
import contextlib
import hashlib
import json
import os
import subprocess
import tempfile

import access_table
from certificates import Certificates
from client import Client, Mismatch
from harness import Answer, Daemon, request_bytes

CLAIMS = "/v1/claims"
BINDING = "/v1/devices/{}/binding"
VFIO = {"driver": "vfio-pci"}
GROUPS = {"reader": 60001, "claimant": 60002, "operator": 60003, "admin": 60004}
NOBODY = 65534
# What a role that lacks the right is told; everything else was let in.
DENIED = {403: "forbidden", 401: ("token_needed", "token_unknown")}


def expect(condition, what):
    if not condition:
        raise Mismatch(str(what))


def token_of(role):
    return f"token-of-the-{role}"


def digest_of(token):
    return hashlib.sha256(token.encode()).hexdigest()


def with_role(role, **bounds):
    return {"role": role, **({"devices": "all", **bounds} if role == "claimant" else bounds)}


def rules():
    """One for each role, by its group, by its token and by its certificate."""
    return [{"who": {"group": group}, **with_role(role)} for role, group in GROUPS.items()] + [
        {"who": {"token": role, "sha256": digest_of(token_of(role))}, **with_role(role)} for role in GROUPS] + [
        {"who": {"certificate": f"dns:{role}.example"}, **with_role(role)} for role in GROUPS]


def started(binary, access, *options):
    """A daemon whose sockets others may open."""
    daemon = Daemon(binary, "--access=" + json.dumps(access), *options)
    os.chmod(daemon.directory, 0o711)
    os.chmod(daemon.path, 0o666)
    return daemon


@contextlib.contextmanager
def becoming(uid, gid):
    """The kernel takes the credentials of connect()."""
    before = os.getgroups(), os.geteuid(), os.getegid()
    os.setgroups([gid])  # a supplementary one; that of the process is nobody's
    os.setegid(NOBODY)
    os.seteuid(uid)
    try:
        yield
    finally:
        os.seteuid(before[1])
        os.setegid(before[2])
        os.setgroups(before[0])


class Somebody(Client):
    """A client with a user, a group and a token of its own."""

    def __init__(self, client, entrance, role, uid=NOBODY, token=None, certificates=None):
        super().__init__(client.document, client.daemon, client.seen, entrance)
        self.tls = certificates.client(*certificates.issued[role]) if entrance == "tls" else None
        self.gid = GROUPS.get(role, NOBODY)
        self.uid = uid
        self.token = token or (token_of(role) if entrance == "tcp" and role != "none" else None)

    def exchange(self, data, head_only=False):
        if self.token:
            data = data.replace(b"\r\n", f"\r\nAuthorization: Bearer {self.token}\r\n".encode(), 1)
        with contextlib.nullcontext() if self.transport in ("tcp", "tls") else becoming(self.uid, self.gid):
            connection = self.daemon.connect(self.transport, self.tls)
        with connection:
            connection.send(data)
            return first_answer(connection, head_only)


def first_answer(connection, head_only):
    """The answer, or the head of one without an end."""
    while b"\r\n\r\n" not in connection.buffer:
        if not connection._more():  # pylint: disable=protected-access
            raise Mismatch("the connection ended without an answer")
    head = connection.buffer.split(b"\r\n\r\n")[0].decode("latin-1")
    if "content-length" in head.lower() or head_only or " 304 " in head:
        return connection.answer(head_only)
    return Answer(int(head.split()[1]), "HTTP/1.1", {}, b"")


def answer_fault(somebody, row, target, wanted):
    """What is wrong with the answer to one cell of the table."""
    body = b"{}" if row.method in ("PUT", "POST") else b""
    answer = somebody.exchange(request_bytes(row.method, target, {"Content-Type": "application/json"} if body else {}, body))
    denied = answer.status in DENIED and answer.code() in DENIED[answer.status]
    if wanted in ("yes", "own"):
        return f"{answer.status} {answer.code()}" if denied else ""
    if not denied or answer.status != int(wanted):
        return f"{answer.status} {answer.code()} instead of {wanted}"
    somebody.check(row.method, target, answer, answer.status, answer.code())
    return ""


@contextlib.contextmanager
def tls_daemon(binary, certificates):
    """A daemon with a TLS port too, and a certificate for each role."""
    files = certificates.issue("server", "dns:localhost", "serverAuth")
    certificates.issued = {role: certificates.issue(role, f"dns:{role}.example") for role in ("none", *GROUPS)}
    tls = {"certificate": files[0], "key": files[1], "client_ca": certificates.path("ca.pem")}
    with started(binary, rules(), "--tls=" + json.dumps(tls)) as daemon:
        yield daemon, certificates


def check_table(document, binary, seen, target_of):
    """Every cell of access_table.txt, with rules for each role and a token for each."""
    expect(os.geteuid() == 0, "this test becomes other users, and needs root for it")
    faults = []
    with tempfile.TemporaryDirectory() as folder, tls_daemon(binary, Certificates(folder, "table")) as (daemon, certificates):
        client = Client(document, daemon, seen)
        for entrance, who in access_table.COLUMNS:
            somebody = Somebody(client, entrance, who, token="nobody-s-token" if who == "unknown" else None, certificates=certificates)
            for row in access_table.rows():
                fault = answer_fault(somebody, row, target_of(document, row.path, row.method.lower()), row.answers[entrance, who])
                if fault:
                    faults.append(f"{row.method} {row.path} as {who} at {entrance}: {fault}")
    return "; ".join(faults[:8])


def check_routes(binary):
    """The table names every route, and no other."""
    lines = subprocess.run([binary, "--routes"], check=True, capture_output=True, text=True).stdout.splitlines()
    named = [f"{row.method} {row.path}" for row in access_table.rows()]
    missing, unknown = set(lines) - set(named), set(named) - set(lines)
    return f"without a row: {sorted(missing)}; without a route: {sorted(unknown)}" if missing or unknown or len(named) != len(lines) else ""


def without_rules(client, daemon):
    """Without "access" a reader reads at both, and over TCP no token helps."""
    expect(os.geteuid() == 0, "this test becomes other users, and needs root for it")
    os.chmod(daemon.directory, 0o711)
    os.chmod(daemon.path, 0o666)
    reader = Somebody(client, "unix", "none")
    found = reader.ask("GET", "/v1/whoami", 200)
    expect((found["role"], found["granted_by"], found["rule"]) == ("reader", "the default rules (everyone)", None), found)
    problem = reader.ask("PUT", BINDING.format("0000:20:00.0"), 403, VFIO, code="forbidden")
    expect((problem["role"], problem["needed_right"], problem["needed_role"]) == ("reader", "operate", "operator"), problem)
    client.over("tcp").ask("PUT", BINDING.format("0000:20:00.0"), 403, VFIO, code="forbidden")
    root = client.ask("GET", "/v1/whoami", 200)
    expect((root["uid"], root["role"], root["granted_by"]) == (0, "admin", "root"), root)
    expect(client.over("tcp").ask("GET", "/v1/whoami", 200)["role"] == "reader", "over TCP")


BOUNDED = [{"who": {"group": GROUPS["claimant"]}, "role": "claimant", "drivers": ["vfio-pci"], "max_claims": 2, "max_devices": 2,
            "devices": [{"address": [f"0000:{bus:02x}:00.0" for bus in range(0x20, 0x28)]}]},
           {"who": {"group": GROUPS["operator"]}, "role": "operator", "drivers": ["vfio-pci", "e1000e"], "risks": [],
            "devices": [{"address": ["0000:28:00.0", "0000:06:00.0"]}, {"labels": {"pool": "vm"}}]},
           {"who": {"token": "ci", "sha256": digest_of(token_of("claimant"))}, "role": "claimant", "devices": "all", "max_claims": 1},
           {"who": {"token": "cd", "sha256": digest_of(token_of("operator"))}, "role": "claimant", "devices": "all"}]


def claimants(client, _):
    """A claimant has what its rule names, for itself, and sees nothing else."""
    one = Somebody(client, "claims", "claimant", uid=4242)
    other = Somebody(client, "unix", "claimant", uid=4243)
    root = client.ask("POST", CLAIMS, 201, {"devices": ["0000:30:00.0"]})
    mine = one.ask("POST", CLAIMS, 201, {"devices": ["0000:20:00.0"], "ttl_seconds": 100})
    expect(mine["request"]["owner"]["uids"] == [4242], mine["request"]["owner"])
    own = f"{CLAIMS}/{mine['id']}"
    expect([item["id"] for item in one.ask("GET", CLAIMS, 200)["items"]] == [mine["id"]], "it sees more than its own")
    expect(other.ask("GET", CLAIMS, 200)["items"] == [], "another sees it")
    one.ask("POST", own + "/renew", 200, {"ttl_seconds": 200})
    one.ask("GET", own + "/handover", 200)
    for foreign in (own, f"{CLAIMS}/{root['id']}"):
        other.ask("GET", foreign, 404, code="claim_not_found")
        other.ask("DELETE", foreign, 404, code="claim_not_found")
        other.ask("POST", foreign + "/renew", 404, {}, code="claim_not_found")
    one.ask("POST", CLAIMS, 403, {"devices": ["0000:28:00.0"]}, code="device_forbidden")
    one.ask("POST", CLAIMS + "?dry_run=true", 403, {"devices": ["0000:28:00.0"]}, code="device_forbidden")
    one.ask("POST", CLAIMS, 403, {"devices": ["0000:21:00.0"], "accept_risks": ["net.carrier"]}, code="risk_forbidden")
    for owner in ({"users": [4243]}, {"groups": [GROUPS["claimant"]]}, {"users": [4242, 0]}):
        one.ask("POST", CLAIMS, 403, {"devices": ["0000:21:00.0"], "owner": owner}, code="owner_forbidden")
    found = one.ask("POST", CLAIMS + "?dry_run=true", 200, {"selector": {"category": "network"}})
    expect(found["would"] == "change", found)
    second = one.ask("POST", CLAIMS, 201, {"selector": {"category": "network"}})
    expect(second["devices"][0]["address"] == "0000:21:00.0", second["devices"])
    refusal = one.ask("POST", CLAIMS, 429, {"devices": ["0000:22:00.0"]}, code="role_limit_reached")
    expect("at most 2 claims" in refusal["detail"], refusal["detail"])
    limits = one.ask("GET", "/v1/whoami", 200)
    expect(limits["limits"] == {"claims": {"most": 2, "used": 2}, "devices": {"most": 2, "used": 2}}, limits)
    expect(limits["drivers"] == ["vfio-pci"] and limits["risks"] == [] and limits["owners"] == "self" and limits["rule"] == 0, limits)
    one.ask("DELETE", own, 200)
    one.ask("POST", CLAIMS, 201, {"devices": ["0000:22:00.0"]})
    other.ask("POST", CLAIMS, 429, {"selector": {"category": "network", "count": 3}}, code="role_limit_reached")
    expect(client.ask("GET", f"{CLAIMS}/{root['id']}", 200)["state"] == "active", "root's claim is unharmed")


def operators(client, _):
    """An operator changes what its rule covers, and ends claims of those devices alone."""
    somebody = Somebody(client, "unix", "operator", uid=4244)
    changed = somebody.ask("PUT", BINDING.format("0000:28:00.0"), 200, VFIO)
    expect(changed["driver"] == "vfio-pci", changed)
    problem = somebody.ask("PUT", BINDING.format("0000:29:00.0"), 403, VFIO, code="device_forbidden")
    expect("rule 2 of \"access\"" in problem["detail"], problem["detail"])
    somebody.ask("PUT", BINDING.format("0000:29:00.0") + "?dry_run=true", 403, VFIO, code="device_forbidden")
    somebody.ask("PUT", BINDING.format("0000:28:00.0"), 403, {"driver": "igb"}, code="driver_forbidden")
    somebody.ask("PUT", BINDING.format("0000:06:00.0"), 403, {**VFIO, "accept_risks": ["net.default_route"]}, code="risk_forbidden")
    somebody.ask("POST", "/v1/bindings", 403, {"items": [{"device": "0000:28:00.0", "driver": "vfio-pci"}, {"device": "0000:29:00.0", "driver": "vfio-pci"}]},
                 code="device_forbidden")
    expect(client.ask("GET", BINDING.format("0000:29:00.0"), 200)["driver"] != "vfio-pci", "it was changed")
    somebody.ask("DELETE", BINDING.format("0000:28:00.0"), 200)
    somebody.ask("PUT", BINDING.format("0000:05:00.0") + "?dry_run=true", 200, VFIO)  # the policy gives it the label
    somebody.ask("PUT", "/v1/devices/0000:29:00.0/cordon", 403, {}, code="device_forbidden")
    somebody.ask("DELETE", "/v1/devices/0000:29:00.0/cordon", 403, code="device_forbidden")
    somebody.ask("PUT", "/v1/devices/0000:28:00.0/cordon", 200, {})
    somebody.ask("DELETE", "/v1/devices/0000:28:00.0/cordon", 200)
    somebody.ask("POST", "/v1/devices/0000:17:00.0/probe", 403, {}, code="device_forbidden")
    foreign = client.ask("POST", CLAIMS, 201, {"devices": ["0000:31:00.0"], "ttl_seconds": 100})
    path = f"{CLAIMS}/{foreign['id']}"
    somebody.ask("GET", path, 200)
    somebody.ask("DELETE", path, 403, code="device_forbidden")
    somebody.ask("POST", path + "/renew", 403, {}, code="device_forbidden")
    somebody.ask("POST", path + "/acknowledge", 403, {}, code="device_forbidden")
    somebody.ask("POST", path + "/fds", 403, {}, code="device_forbidden")
    somebody.ask("POST", path + "/memlock", 403, {"dma_memory_bytes": 1}, code="device_forbidden")
    covered = client.ask("POST", CLAIMS, 201, {"devices": ["0000:28:00.0"]})
    somebody.ask("DELETE", f"{CLAIMS}/{covered['id']}", 200)
    found = somebody.ask("GET", "/v1/whoami", 200)
    expect(found["role"] == "operator" and found["rights"] == ["service", "own_claims", "read", "claim", "operate"], found)
    expect([item for item in found["devices"] if item["labels"]][0]["labels"] == {"pool": "vm"}, found["devices"])


def bearers(client, _):
    """Bearers of tokens have claims and keys of their own, and a header at the Unix socket gives nothing."""
    one = Somebody(client, "tcp", "claimant")
    other = Somebody(client, "tcp", "operator")
    key = {"Idempotency-Key": "once"}
    mine = one.ask("POST", CLAIMS, 201, {"devices": ["0000:32:00.0"]}, fields=key)
    expect(mine["requested_by"] == {"transport": "tcp", "uid": None, "pid": None, "token": "ci"}, mine["requested_by"])
    expect(one.ask("POST", CLAIMS, 200, {"devices": ["0000:32:00.0"]}, fields=key)["id"] == mine["id"], "the key is known")
    foreign = other.ask("POST", CLAIMS, 201, {"devices": ["0000:33:00.0"]}, fields=key)
    expect(foreign["id"] != mine["id"], "a key of another token")
    expect([item["id"] for item in one.ask("GET", CLAIMS, 200)["items"]] == [mine["id"]], "it sees the other's")
    one.ask("GET", f"{CLAIMS}/{foreign['id']}", 404, code="claim_not_found")
    one.ask("POST", CLAIMS, 403, {"devices": ["0000:34:00.0"], "owner": {"users": [0]}}, code="owner_forbidden")
    one.ask("POST", CLAIMS, 429, {"devices": ["0000:34:00.0"]}, code="role_limit_reached")
    one.ask("DELETE", f"{CLAIMS}/{mine['id']}", 200)
    who = one.ask("GET", "/v1/whoami", 200)
    expect((who["token"], who["role"], who["entrance"], who["uid"]) == ("ci", "claimant", "tcp", None), who)
    client.over("tcp").ask("GET", "/v1/devices", 401, code="token_needed")
    expect(client.over("tcp").ask("GET", "/v1/whoami", 200)["role"] == "none", "without a token")
    Somebody(client, "tcp", "none", token="wrong").ask("GET", "/healthz", 401, code="token_unknown")
    nobody = Somebody(client, "unix", "none", token=token_of("claimant"))
    expect(nobody.ask("GET", "/v1/whoami", 200)["role"] == "none", "a token at the Unix socket")


def denials_in_the_audit(client, _):
    """What a role was denied is in the audit, but not more of it than others need to be found."""
    somebody = Somebody(client, "unix", "none", uid=4245)
    for _ in range(30):
        somebody.ask("PUT", BINDING.format("0000:28:00.0"), 403, VFIO, code="forbidden")
    Somebody(client, "unix", "claimant", uid=4246).ask("GET", "/v1/devices", 403, code="forbidden")
    entries = [entry for entry in client.ask("GET", "/v1/audit?page_size=1000", 200)["items"] if entry["kind"] == "request"]
    of_user = {uid: [entry for entry in entries if entry["requested_by"]["uid"] == uid] for uid in (4245, 4246)}
    expect(len(of_user[4245]) == 10 and len(of_user[4246]) == 1, {uid: len(found) for uid, found in of_user.items()})
    entry = of_user[4245][0]
    expect((entry["event"], entry["outcome"], entry["request"]["device"]) == ("refused", "forbidden", "0000:28:00.0"), entry)
    expect("PUT /v1/devices/0000:28:00.0/binding: " in entry["detail"] and "no role" in entry["detail"], entry["detail"])
    found = client.ask("GET", "/v1/audit?device=0000:28:00.0", 200)["items"]
    expect(found and found[0]["outcome"] == "forbidden", "by the device")


def check_access(document, binary, seen, report, target_of):
    report.check("routes of the access table", lambda: check_routes(binary))
    report.check("access table in SECURITY.md", access_table.documented_fault)
    report.check("access table", lambda: check_table(document, binary, seen, target_of))
    for scenario, access in ((claimants, BOUNDED), (operators, BOUNDED), (bearers, BOUNDED), (denials_in_the_audit, BOUNDED)):
        def run(scenario=scenario, access=access):
            expect(os.geteuid() == 0, "this test becomes other users, and needs root for it")
            with started(binary, access) as daemon:
                scenario(Client(document, daemon, seen), daemon)
        report.check(scenario.__name__, run)

    def run_without_rules():
        with Daemon(binary) as daemon:
            without_rules(Client(document, daemon, seen), daemon)
    report.check(without_rules.__name__, run_without_rules)
