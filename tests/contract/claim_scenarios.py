# SPDX-License-Identifier: Apache-2.0
"""What is asked of the contract daemon about claims, keys and lists; see scenarios.py for the rest."""
import json
import os
import subprocess
import sys

from scenarios import ASYNC, BINDING, BINDINGS, CLAIMS, SRIOV, VFIO, codes, expect, wait_for

TOKEN = "3f8e1c52-9d0b-4b7e-a0a6-1c2d3e4f5a6b"
ASK_AS_ANOTHER = """
import socket, sys
path, method, target, body = sys.argv[1:]
stream = socket.socket(socket.AF_UNIX)
stream.connect(path)
head = f"{method} {target} HTTP/1.1\\r\\nHost: x\\r\\nContent-Type: application/json\\r\\nConnection: close\\r\\nContent-Length: {len(body)}\\r\\n\\r\\n"
stream.sendall((head + body).encode())
answer = b""
while True:
    part = stream.recv(65536)
    if not part:
        break
    answer += part
sys.stdout.buffer.write(answer)
"""


def as_user(daemon, uid, groups, method, target, body=None, path=None):
    """(status, document) of a request by another user."""
    raw = subprocess.run([sys.executable, "-c", ASK_AS_ANOTHER, path or daemon.claims_path, method, target, "" if body is None else json.dumps(body)],
                         user=uid, group=groups[0], extra_groups=groups[1:], check=True, capture_output=True, cwd="/").stdout
    head, _, content = raw.partition(b"\r\n\r\n")
    kind = head.lower().partition(b"content-type: ")[2].split(b"\r\n")[0]
    return int(head.split()[1]), json.loads(content) if b"json" in kind else content.decode()


def claims_door(client, daemon):
    """On the claims socket an owner has his own claim, and nobody anything else."""
    expect(os.geteuid() == 0, "this test becomes other users, and needs root for it")
    os.chmod(daemon.directory, 0o755)
    mine = client.ask("POST", CLAIMS, 201, {"devices": ["0000:33:00.0"], "owner": {"users": [4242]}})
    other = client.ask("POST", CLAIMS, 201, {"devices": ["0000:34:00.0"], "owner": {"groups": [5151]}})
    own, foreign = f"{CLAIMS}/{mine['id']}", f"{CLAIMS}/{other['id']}"

    def ask(method, target, body=None, groups=(4242,)):
        return as_user(daemon, 4242, list(groups), method, target, body)

    expect([item["id"] for item in ask("GET", CLAIMS)[1]["items"]] == [mine["id"]], "the list of an owner's claims")
    expect({item["id"] for item in ask("GET", CLAIMS, groups=(4242, 5151))[1]["items"]} == {mine["id"], other["id"]}, "by a group")
    for target in ("", "/handover", "/handover?format=qemu"):
        expect(ask("GET", own + target)[0] == 200, target)
        expect(ask("GET", foreign + target) [1]["code"] == "claim_not_found", target)
    status, handed = ask("POST", own + "/fds", {})
    expect(status == 200 and handed["claim"] == own, handed)
    expect(ask("POST", foreign + "/fds", {})[1]["code"] == "claim_not_found", "descriptors of another's claim")
    expect(ask("DELETE", foreign)[1]["code"] == "claim_not_found", "the end of another's claim")
    for method, target, body in (("GET", "/v1/devices", None), ("GET", "/v1/audit", None), ("GET", "/v1/operations", None), ("GET", "/v1/doctor", None),
                                 ("PUT", BINDING.format("0000:35:00.0"), VFIO), ("PUT", BINDING.format("0000:35:00.0") + "?dry_run=true", VFIO),
                                 ("POST", CLAIMS, {"devices": ["0000:35:00.0"]}), ("POST", CLAIMS + "?dry_run=true", {"devices": ["0000:35:00.0"]}),
                                 ("POST", own + "/renew", {}), ("POST", own + "/memlock", {"dma_memory_bytes": 1}), ("POST", own + "/acknowledge", {})):
        status, problem = ask(method, target, body)
        expect((status, problem["code"]) == (403, "forbidden"), f"{method} {target}: {status} {problem}")
    for target in ("/v1", "/healthz", "/readyz", "/openapi.yaml"):
        expect(ask("GET", target)[0] == 200, target)
    expect(ask("GET", "/nothing")[0] == 404 and ask("PUT", "/healthz")[0] == 405, "what is not there")
    expect(ask("DELETE", own + "?dry_run=true")[1]["would"] == "change", "a dry run of its end")
    expect(ask("DELETE", own)[1]["state"] == "released", "its end by its owner")
    # Who may change things may here too; on the other socket a reader who is an owner may end his claim, and others not.
    claims = client.over("claims")
    expect(claims.ask("GET", "/v1/devices?page_size=1", 200)["items"], "root")
    os.chmod(daemon.path, 0o666)
    expect(as_user(daemon, 4243, [4243], "DELETE", foreign, path=daemon.path)[1]["code"] == "forbidden", "a reader")
    expect(as_user(daemon, 4243, [5151], "DELETE", foreign, path=daemon.path)[1]["state"] == "released", "an owner who may read")


def claim_lists(client, _):
    made = [client.ask("POST", CLAIMS, 201, {"devices": [address], "owner": owner, "labels": labels}) for address, owner, labels in (
        ("0000:33:00.0", {"users": [4242]}, {"vm": "42", "rack": "7"}), ("0000:34:00.0", {"users": ["root"], "groups": [5151]}, {"vm": "43"}), ("0000:35:00.0", {}, {}))]
    client.ask("DELETE", f"{CLAIMS}/{made[2]['id']}", 200)

    def found(query):
        return [["a", "b", "c"][[claim["id"] for claim in made].index(item["id"])] for item in client.ask("GET", CLAIMS + "?" + query, 200)["items"]]

    for query, wanted in (("", "abc"), ("state=active", "ab"), ("state=active,released", "abc"), ("state=lost", ""), ("device=0000:34:00.0", "b"),
                          ("device=0000:33:00.0&device=0000:35:00.0", "ac"), ("user=4242", "a"), ("user=root", "b"), ("user=0", "b"), ("user=4242,root", "ab"),
                          ("group=5151", "b"), ("label=vm", "ab"), ("label=vm=42", "a"), ("label=vm&label=rack=7", "a"), ("label=vm,pool", ""),
                          ("label=vm&user=root&state=active&device=0000:34:00.0", "b")):
        expect("".join(sorted(found(query))) == wanted, f"{query}: {found(query)}")
    problem = client.ask("GET", CLAIMS + "?state=actve&device=x&label==&nothing=1", 400, code="invalid_value")
    expect([item["pointer"] for item in problem["errors"]] == ["?state", "?device", "?label", "?nothing"], problem)
    expect('mean "active"' in problem["detail"], problem)
    few = client.ask("GET", CLAIMS + "?fields=id,state&count=true&page_size=1", 200)
    expect(few["items"] == [{"id": made[0]["id"], "state": "active"}] and few["total"] == 3, few)
    rest = client.ask("GET", f"{CLAIMS}?page_token={few['next_page_token']}&count=true&fields=id", 200)
    expect(len(rest["items"]) == 2 and rest["total"] == 3 and rest["next_page_token"] is None, rest)
    expect(client.ask("GET", f"{CLAIMS}/{made[0]['id']}?fields=labels", 200) == {"labels": {"vm": "42", "rack": "7"}}, "one claim's fields")
    problem = client.ask("GET", CLAIMS + "?fields=lables", 400, code="invalid_value")
    expect(problem["errors"][0]["pointer"] == "?fields" and 'mean "labels"' in problem["detail"], problem)
    listed = {item["address"]: item for item in client.ask("GET", "/v1/devices?fields=address,claim,cordon", 200)["items"]}
    expect(listed["0000:33:00.0"]["claim"] == f"{CLAIMS}/{made[0]['id']}" and listed["0000:35:00.0"]["claim"] is None, "the claims in the list of devices")
    client.ask("PUT", "/v1/devices/0000:35:00.0/cordon", 200, {"reason": "a new card comes"})
    cordoned = client.ask("GET", "/v1/devices?address=0000:35:00.0&fields=cordon", 200)["items"]
    expect(cordoned[0]["cordon"]["reason"] == "a new card comes", cordoned)
    for path, fields in (("/v1/devices/0000:33:00.0", "driver,claim"), ("/v1/iommu-groups/2", "viable,members"), ("/v1/devices", "address"), ("/v1/iommu-groups", "iommu_group"),
                         ("/v1/iommus", "name"), ("/v1/drivers", "name"), ("/v1/operations", "id,state")):
        answer = client.ask("GET", f"{path}?fields={fields}", 200)
        for item in answer.get("items", [answer]):
            expect(set(item) == set(fields.split(",")), f"{path}: {item}")
        client.ask("GET", path + "?fields=nonsense", 400 if answer.get("items", True) else 200)
    for path in ("/v1/devices", "/v1/iommu-groups", "/v1/iommus", "/v1/drivers", "/v1/operations"):
        expect(client.ask("GET", path + "?count=true", 200)["total"] == len(client.ask("GET", path, 200)["items"]), path)
    expect(client.ask("GET", "/v1/devices?count=true&driver=vfio-pci&page_size=1", 200)["total"] ==
           len(client.ask("GET", "/v1/devices?driver=vfio-pci", 200)["items"]), "the number of those that match")


def selectors_and_queries(client, _):
    """What a selector takes and what the list of devices takes is the same."""
    def both(selector, query):
        listed = [item["address"] for item in client.ask("GET", "/v1/devices?" + query, 200)["items"]]
        plan = client.ask("POST", CLAIMS + "?dry_run=true", 200, {"selector": selector})
        return listed, [item["address"] for item in plan["devices"]]

    for selector, query in (({"vendor": "0x8086", "device": "10D3", "driver": "e1000e"}, "vendor=0X8086&device=0x10d3&driver=e1000e"),
                            ({"address": ["0000:33:00.0", "0000:34:00.0"], "count": 2}, "address=0000:33:00.0,0000:34:00.0"),
                            ({"class": ["0x0200"], "iommu_group": 64}, "class=0200&iommu_group=64"), ({"category": "Network", "address": "0000:35:00.0"}, "category=NETWORK&address=0000:35:00.0"),
                            ({"physfn": "0000:15:00.0"}, "physfn=0000:15:00.0"), ({"subsystem_vendor": "8086", "subsystem_device": "0001", "numa_node": ["0", "none"]},
                                                                                 "subsystem_vendor=8086&subsystem_device=0x0001&numa_node=0,none")):
        listed, chosen = both(selector, query)
        expect(chosen and set(chosen) <= set(listed), f"{query}: {chosen} of {listed}")
    for name, value in (("vendor", "808"), ("class", "2"), ("category", "nic"), ("driver", "a%2Fb"), ("numa_node", "x"), ("iommu_group", "-1"), ("physfn", "x"), ("address", "05:00.0")):
        problem = client.ask("GET", f"/v1/devices?{name}={value}", 400, code="invalid_value")
        refused = client.ask("POST", CLAIMS, 400, {"selector": {name: value.replace("%2F", "/")}}, code="invalid_value")
        expect(problem["errors"][0]["pointer"] == "?" + name and refused["errors"][0]["pointer"] == "/selector/" + name, problem)
        expect(problem["detail"] == refused["detail"], f"{problem['detail']} and {refused['detail']}")
    echoed = client.ask("POST", CLAIMS, 201, {"selector": {"vendor": ["8086", "0x15B3"], "address": "0000:33:00.0", "driver": "e1000e"}})
    selector = echoed["request"]["selector"]
    expect((selector["vendor"], selector["address"], selector["numa_node"]) == (["8086", "15b3"], "0000:33:00.0", None), selector)


def unmet_selectors(client, daemon):
    """Too few devices: numbers, who has the others, when asking again helps; and a dry run says it as it says every refusal."""
    held = client.ask("POST", CLAIMS, 201, {"devices": ["0000:33:00.0"], "ttl_seconds": 77})
    client.ask("PUT", "/v1/devices/0000:34:00.0/cordon", 200, {})
    wanted = {"selector": {"address": ["0000:33:00.0", "0000:34:00.0", "0000:35:00.0"], "count": 2}}
    problem = client.ask("POST", CLAIMS, 409, wanted, code="not_enough_devices")
    selection = problem["selection"]
    expect((selection["wanted"], selection["fit"], selection["free"]) == (2, 3, 1), selection)
    expect([(item["device"], item["reason"], item["claim"]) for item in selection["not_free"]] ==
           [("0000:33:00.0", "claimed", f"{CLAIMS}/{held['id']}"), ("0000:34:00.0", "cordoned", None)], selection)
    expect("claim.not_enough" in codes(problem["blockers"]), problem)
    plan = client.ask("POST", CLAIMS + "?dry_run=true", 200, wanted)
    expect((plan["would"], codes(plan["refused_by"]), plan["selection"]["free"]) == ("refuse", ["claim.not_enough"], 1), plan)

    def retry_after(selector):
        with daemon.connect() as connection:
            body = json.dumps({"selector": selector}).encode()
            connection.send(b"POST /v1/claims HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
            answer = connection.answer()
        client.check("POST", CLAIMS, answer, 409, "not_enough_devices")
        return answer.fields.get("retry-after")

    expect(1 <= int(retry_after({"address": "0000:33:00.0"})) <= 77, "the end of the claim that has it")
    expect(retry_after({"address": "0000:34:00.0"}) is None, "nobody knows when a cordon ends")
    expect(retry_after({"address": ["0000:33:00.0"], "count": 2}) is None, "waiting does not make more of them")
    for body, code in (({"devices": ["0000:33:00.0"]}, "claim.held"), ({"devices": ["0000:34:00.0"]}, "device.cordoned"), ({"devices": ["0000:06:00.0"]}, "net.default_route"),
                       ({"devices": ["0000:21:00.0"], "reset": "required"}, "device.no_reset"), ({"selector": {"vendor": "1234"}}, "claim.not_enough")):
        plan = client.ask("POST", CLAIMS + "?dry_run=true", 200, body)
        expect(plan["would"] == "refuse" and code in codes(plan["refused_by"]), f"{body}: {plan}")
        client.ask("POST", CLAIMS, 409, body)
    client.ask("POST", CLAIMS + "?dry_run=true", 404, {"devices": ["0000:99:00.0"]}, code="device_not_found")


def all_mistakes(client, _):
    """Everything that is wrong with a request is told at once: path, parameters, header and body."""
    def places(method, target, body, fields=None):
        problem = client.ask(method, target, 400, body, fields=fields)
        expect("errors" in problem, problem)
        expect(problem["code"] == problem["errors"][0]["code"], problem)
        expect(problem["detail"].startswith(problem["errors"][0]["detail"]), problem)
        return [(item["code"], item["pointer"]) for item in problem["errors"]]

    expect(places("PUT", "/v1/devices/05:00.0/binding?dry_run=maybe&x=1", {"driver": 5, "scope": "all", "method": "x", "accept_risks": ["x", "y"], "expect": {"vendor": "1", "z": 1}, "w": 1}) == [
        ("invalid_address", "{bdf}"), ("invalid_value", "?dry_run"), ("unknown_parameter", "?x"), ("invalid_value", "/driver"), ("invalid_value", "/scope"), ("invalid_value", "/method"),
        ("invalid_value", "/accept_risks/0"), ("invalid_value", "/accept_risks/1"), ("invalid_value", "/expect/vendor"), ("unknown_field", "/expect/z"), ("unknown_field", "/w")], "a binding")
    expect(places("POST", CLAIMS, {"devices": ["x", "0000:05:00.0", "0000:05:00.0"], "owner": {"users": [-1, ""], "groups": {}}, "ttl_seconds": 0, "reset": "all", "vf_token": "x", "labels": {"a": 1, "b": 2}},
                  {"Idempotency-Key": "k" * 129}) == [
        ("invalid_value", "/devices/0"), ("invalid_value", "/devices/2"), ("invalid_value", "/owner/users/0"), ("invalid_value", "/owner/users/1"), ("invalid_value", "/owner/groups"),
        ("invalid_value", "/ttl_seconds"), ("invalid_value", "/reset"), ("invalid_value", "/labels/a"), ("invalid_value", "/labels/b"), ("invalid_value", "/vf_token"),
        ("invalid_value", "Idempotency-Key:")], "a claim")
    expect(places("POST", BINDINGS, {"items": [5, {"device": "x"}, {"iommu_group": -1, "driver": "a/b"}, VFIO | {"device": "0000:99:00.0"}], "accept_risks": ["z"]}) == [
        ("invalid_value", "/accept_risks/0"), ("invalid_value", "/items/0"), ("missing_field", "/items/1"), ("invalid_value", "/items/1/device"), ("invalid_value", "/items/2/driver"),
        ("invalid_value", "/items/2/iommu_group"), ("device_not_found", "/items/3/device")], "a transaction")
    expect(places("PUT", SRIOV.format("0000:15:00.0"), {"vfs": -1, "driver": 5, "vf_token": 1, "drivers_autoprobe": 1}) == [
        ("invalid_value", "/vfs"), ("invalid_value", "/driver"), ("invalid_value", "/vf_token"), ("invalid_value", "/drivers_autoprobe")], "virtual functions")
    expect(places("GET", "/v1/devices?vendor=x&vendor=y&class=2&page_size=0&foo=1", None) == [
        ("invalid_value", "?vendor"), ("invalid_value", "?vendor"), ("invalid_value", "?class"), ("invalid_value", "?page_size"), ("unknown_parameter", "?foo")], "a list")
    expect(places("POST", "/v1/drivers/%20/ids?x=1", {"vendor": "1"}) == [("invalid_name", "{name}"), ("invalid_value", "/vendor"), ("missing_field", "/device"), ("unknown_parameter", "?x")], "a driver's ID")
    expect(places("DELETE", "/v1/drivers/%20/ids?vendor=1&y=1", None) == [("invalid_name", "{name}"), ("invalid_value", "?vendor"), ("missing_field", "?device"), ("unknown_parameter", "?y")], "the same, taken out")
    expect(places("PUT", BINDING.format("0000:05:00.0") + "?x=1", b"{") == [("unknown_parameter", "?x"), ("invalid_json", "")], "a body that is no JSON is not told as missing its members")
    problem = client.ask("POST", BINDINGS, 404, {"items": [VFIO | {"device": "0000:99:00.0"}, VFIO | {"iommu_group": 999}]}, code="device_not_found")
    expect([item["pointer"] for item in problem["errors"]] == ["/items/0/device", "/items/1/iommu_group"], problem)
    problem = client.ask("GET", "/v1/iommu-groups/02?x=1", 400, code="invalid_value")
    expect([item["pointer"] for item in problem["errors"]] == ["{number}", "?x"], problem)


def keys(client, daemon):
    """With an Idempotency-Key every POST may be sent again, and nothing is done twice."""
    address = "0000:33:00.0"
    body = {"items": [VFIO | {"device": address}]}
    first = client.ask("POST", BINDINGS, 200, body, fields={"Idempotency-Key": "one"})
    expect(first["changed"] and daemon.control(f"binding {address}").startswith("vfio-pci"), first)
    client.ask("DELETE", BINDING.format(address), 200)
    for target in (BINDINGS, BINDINGS + "?dry_run=true"):
        expect(client.ask("POST", target, 200, body, fields={"Idempotency-Key": "one"}) == first, "another answer")
    expect(daemon.control(f"binding {address}").startswith("e1000e"), "a late retry has taken the device again")
    client.ask("POST", BINDINGS, 409, {"items": [VFIO | {"device": "0000:34:00.0"}]}, fields={"Idempotency-Key": "one"}, code="idempotency_key_reused")
    client.ask("POST", "/v1/vfio/probe", 409, {}, fields={"Idempotency-Key": "one"}, code="idempotency_key_reused")
    client.ask("POST", BINDINGS, 400, body, fields={"Idempotency-Key": "k" * 129}, code="invalid_value")
    expect(client.ask("POST", BINDINGS, 200, body)["changed"], "without the key it is another request")
    client.ask("DELETE", BINDING.format(address), 200)
    # A dry run keeps nothing, and neither does what has failed.
    client.ask("POST", BINDINGS + "?dry_run=true", 200, body, fields={"Idempotency-Key": "two"})
    daemon.control(f"refuse-probe vfio-pci {address} EIO")
    client.ask("POST", BINDINGS, 409, body, fields={"Idempotency-Key": "two"}, code="bind_failed")
    late = client.ask("POST", BINDINGS, 202, body, fields={"Idempotency-Key": "three"} | ASYNC)
    wait_for(client, "/v1/operations/" + late["id"], "failed")
    daemon.control(f"refuse-probe vfio-pci {address} 0")
    expect(client.ask("POST", BINDINGS, 200, body, fields={"Idempotency-Key": "two"})["changed"], "it may be tried again")
    client.ask("DELETE", BINDING.format(address), 200)
    late = client.ask("POST", BINDINGS, 202, body, fields={"Idempotency-Key": "three"} | ASYNC)
    wait_for(client, "/v1/operations/" + late["id"], "succeeded")
    again = client.ask("POST", BINDINGS, 202, body, fields={"Idempotency-Key": "three"})
    expect((again["id"], again["state"]) == (late["id"], "succeeded"), again)
    client.ask("DELETE", BINDING.format(address), 200)
    made = client.ask("POST", CLAIMS, 201, {"devices": ["0000:34:00.0"], "ttl_seconds": 60})
    path = f"{CLAIMS}/{made['id']}"
    longer = client.ask("POST", path + "/renew", 200, {"ttl_seconds": 600}, fields={"Idempotency-Key": "four"})
    client.ask("POST", path + "/renew", 200, {"ttl_seconds": 60})
    shorter = client.ask("GET", path, 200)["expires_at"]
    expect(client.ask("POST", path + "/renew", 200, {"ttl_seconds": 600}, fields={"Idempotency-Key": "four"}) == longer, "renewed again")
    expect(client.ask("GET", path, 200)["expires_at"][:16] == shorter[:16], "a late retry has prolonged the claim")
    ids = {"vendor": "1234", "device": "5678"}
    added = client.ask("POST", "/v1/drivers/e1000e/ids", 200, ids, fields={"Idempotency-Key": "five"})
    expect(client.ask("POST", "/v1/drivers/e1000e/ids", 200, ids, fields={"Idempotency-Key": "five"}) == added, "an ID")
    client.over("tcp").ask("POST", BINDINGS, 403, body, fields={"Idempotency-Key": "one"}, code="forbidden")


def same_key_at_once(client, daemon):
    """Two requests with one key at the same time are one, and both get its answer."""
    daemon.control("block sys/bus/pci/drivers/e1000e/unbind 0000:33:00.0")
    body = json.dumps({"items": [VFIO | {"device": "0000:33:00.0"}]}).encode()
    data = (b"POST /v1/bindings HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nIdempotency-Key: same\r\nPrefer: wait=20\r\n"
            b"Content-Length: %d\r\n\r\n" % len(body) + body)
    with daemon.connect() as one, daemon.connect() as two:
        one.send(data)
        wait_until_running(client)
        two.send(data)
        client.ask("GET", "/healthz", 200)
        daemon.control("unblock sys/bus/pci/drivers/e1000e/unbind 0000:33:00.0")
        answers = [one.answer(), two.answer()]
    expect(answers[0].status in (200, 202) and answers[0].json() == answers[1].json(), [answer.body for answer in answers])
    expect(len(client.ask("GET", "/v1/operations", 200)["items"]) == 1, "more than one operation")


def wait_until_running(client):
    for _ in range(1000):
        if client.ask("GET", "/v1/operations", 200)["items"]:
            return
    raise AssertionError("the operation did not begin")


def tokens(client, _):
    """A VF token is told to those who may use the claim, in every format that has a place for it, and nowhere else."""
    made = client.ask("POST", CLAIMS, 201, {"devices": ["0000:15:10.0", "0000:33:00.0"], "vf_token": TOKEN})
    path = f"{CLAIMS}/{made['id']}"
    expect(made["request"]["has_vf_token"] and TOKEN not in json.dumps(made), made)
    for form, needed in (("qemu", f"0000:15:10.0,vf-token={TOKEN}"), ("dpdk", f'"--vfio-vf-token",\n    "{TOKEN}"'), ("spdk", "--vfio-vf-token"), ("env", f"DEVBINDD_VF_TOKEN={TOKEN}"),
                         ("k8s-device-plugin", "DEVBINDD_VF_TOKEN"), ("nomad", "DEVBINDD_VF_TOKEN"), ("cdi", f"DEVBINDD_VF_TOKEN={TOKEN}"),
                         ("cloud-hypervisor", "no place for one"), ("libvirt-xml", "no place for one")):
        text = client.exchange(f"GET {path}/handover?format={form} HTTP/1.1\r\nHost: x\r\n\r\n".encode()).body.decode()
        expect(needed in text, f"{form}: {text}")
        expect(text.count(TOKEN) == (0 if form in ("cloud-hypervisor", "libvirt-xml") else 1), f"{form}: {text}")
        reader = client.over("tcp").exchange(f"GET {path}/handover?format={form} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()).body.decode()
        expect(TOKEN not in reader and "0000" in reader, reader)
    for target in ("/v1/audit", "/v1/operations", CLAIMS):
        expect(TOKEN not in json.dumps(client.ask("GET", target, 200)), target)
    client.ask("DELETE", path, 200)


def paths_and_methods_nearby(client, _):
    """A path that is none is told the nearest one with its methods, a method that a path does not take what has it."""
    device = "/v1/devices/0000:05:00.0"
    for method, path, said in (
            ("POST", device + "/bindings", f". Did you mean {device}/binding (GET, HEAD, PUT, DELETE)?"),
            ("GET", "/devices/0000:05:00.0/irq", f". Did you mean {device}/irqs (GET, HEAD)?"),
            ("GET", "/v1/claim", ". Did you mean /v1/claims (GET, HEAD, POST)?"),
            ("GET", "/healtz", ". Did you mean /healthz (GET, HEAD)?"),
            ("GET", "/v1/policies/import/nothing", "lists what there is"),
            ("GET", "/v1/claims/7/nothing", ". Possible behind /v1/claims/7: acknowledge, fds, handover, memlock, renew")):
        problem = client.ask(method, path, 404, {} if method == "POST" else None, code="not_found")
        expect(problem["detail"].endswith(said), problem)
    for method, path, said in (
            ("POST", device + "/binding", "POST is not possible at /v1/devices/{bdf}/binding; possible: GET, HEAD, PUT, DELETE. POST is for /v1/bindings"),
            ("PUT", CLAIMS, "PUT is not possible at /v1/claims; possible: GET, HEAD, POST"),
            ("DELETE", CLAIMS, "DELETE is not possible at /v1/claims; possible: GET, HEAD, POST. DELETE is for /v1/claims/{id}")):
        problem = client.ask(method, path, 405, {} if method != "DELETE" else None, code="method_not_allowed")
        expect(problem["detail"] == said, problem)


def near_misses(client, _):
    """What is nearly right is told what was probably meant."""
    for path, meant in (("/", "/v1"), ("/devices", "/v1/devices"), ("/v1/devices/", "/v1/devices"), ("/devices/0000:05:00.0/binding", "/v1/devices/0000:05:00.0/binding")):
        problem = client.ask("GET", path, 404, code="not_found")
        expect(f"Did you mean {meant} (GET, HEAD" in problem["detail"], problem)
    expect("Did you mean" not in client.ask("GET", "/v1/nothing", 404)["detail"], "a guess at random")
    expect("such as 0000:05:00.0" in client.ask("GET", "/v1/devices/05:00.0", 400, code="invalid_address")["detail"], "an address as lspci prints it")
    problem = client.ask("POST", CLAIMS, 400, {"devices": ["0000:33:00.0"], "ttl": 300}, code="unknown_field")
    expect('Did you mean "ttl_seconds"?' in problem["detail"], problem)
    problem = client.ask("PUT", BINDING.format("0000:05:00.0"), 400, {"drivr": "vfio-pci"}, code="unknown_field")
    expect([item["code"] for item in problem["errors"]] == ["unknown_field", "missing_field"], problem)
    problem = client.ask("POST", CLAIMS, 409, {"selector": {"labels": {"pool": "none"}}}, code="not_enough_devices")
    expect("no device of this host is as the selector says" in problem["detail"] and "policies" in problem["blockers"][0]["next_step"], problem)
    problem = client.ask("POST", CLAIMS, 409, {"selector": {"address": "0000:33:00.0", "count": 5}}, code="not_enough_devices")
    expect("there are no more" in problem["detail"] and ".." not in problem["blockers"][0]["detail"], problem)
    done = client.ask("PUT", BINDING.format("0000:11:00.0"), 200, VFIO)
    expect("group.not_viable" in codes(done["evidence"]), done["evidence"])
    client.ask("DELETE", BINDING.format("0000:11:00.0"), 200)


ALL = (paths_and_methods_nearby, near_misses, claims_door, claim_lists, selectors_and_queries, unmet_selectors, all_mistakes, keys, same_key_at_once, tokens)
