# SPDX-License-Identifier: Apache-2.0
"""What a caller does with the daemon, one function for each thing; each gets a fresh daemon (machine.cpp says what it holds)."""
import contextlib
import json
import os
import re
import select
import subprocess
import sys

from harness import request_bytes

BINDING = "/v1/devices/{}/binding"
BINDINGS = "/v1/bindings"
CLAIMS = "/v1/claims"
OVERRIDE = "/v1/devices/{}/driver-override"
SRIOV = "/v1/devices/{}/sriov"
VFIO = {"driver": "vfio-pci"}
ASYNC = {"Prefer": "respond-async"}


def expect(condition, what):
    if not condition:
        raise AssertionError(what)


def codes(evidence):
    return [item["code"] for item in evidence]


def service(client, daemon):
    about = client.ask("GET", "/v1", 200)
    expect(about["read_only"] is False, "the daemon says that it is read-only")
    client.ask("GET", "/healthz", 200)
    client.ask("GET", "/readyz", 200)
    daemon.control("not-ready the devices cannot be read")
    expect(client.ask("GET", "/readyz", 503, code="not_ready")["detail"] == "the devices cannot be read", "the reason is missing")
    daemon.control("not-ready")
    client.ask("GET", "/readyz", 200)
    text = client.ask("GET", "/openapi.yaml", 200)
    expect(text.encode() == client.document.bytes, "what is served is not openapi.yaml: build anew")


def read_only_sysfs(client, daemon):
    daemon.control("file proc/self/mountinfo 22 26 0:21 / /sys ro,nosuid - sysfs sysfs rw\\n")
    host = {"tool": "host", "path": "/sys", "subject": "read-only"}
    expect("/sys is mounted read-only" in client.ask("GET", "/readyz", 503, code="not_ready")["detail"], "readiness")
    for path in ("/v1/devices/0000:20:00.0", BINDING.format("0000:20:00.0")):
        expect(client.ask("GET", path, 200)["managed_by"] == [host], path)
    checks = {check["id"]: check for check in client.ask("GET", "/v1/doctor", 200)["checks"]}
    expect(checks["kernel.sysfs"]["verdict"] == "fail" and "/sys" in checks["kernel.sysfs"]["detail"], checks["kernel.sysfs"])
    preview = client.ask("PUT", BINDING.format("0000:20:00.0") + "?dry_run=true", 200, VFIO)
    expect(preview["would"] == "refuse" and codes(preview["evidence"]) == ["host.sysfs_read_only"], preview)
    client.ask("PUT", BINDING.format("0000:20:00.0"), 409, VFIO, code="refused")


def devices(client, _):
    everything = client.ask("GET", "/v1/devices", 200)["items"]
    expect(len(everything) == 40, f"{len(everything)} devices")
    expect([item["address"] for item in everything[-2:]] == ["0000:39:00.0", "10000:01:00.0"], "the order is not by address")
    for item in everything:
        detail = client.ask("GET", "/v1/devices/" + item["address"], 200)
        client.ask("GET", BINDING.format(item["address"]), 200)
        expect(all(detail[key] == value for key, value in item.items()), "list and detail differ")
    client.ask("GET", "/v1/devices/0000%3A05%3A00.0", 200)
    card = client.ask("GET", "/v1/devices/0000:20:00.0?vpd=true", 200)
    expect(card["vital_product_data"]["error"] == "the device has no vital product data", card["vital_product_data"])
    client.ask("GET", "/v1/devices/0000:20:00.0?vpd=1", 400, code="invalid_value")
    client.ask("GET", "/v1/devices/10000:01:00.0", 200)
    for address in ("05:00.0", "0000:05:00.8", "0000:05:20.0", "00000:05:00.0", "nonsense"):
        client.ask("GET", "/v1/devices/" + address, 400, code="invalid_address")


def filters(client, _):
    def matching(query):
        return [item["address"] for item in client.ask("GET", "/v1/devices?" + query, 200)["items"]]
    expect(matching("driver=nvme") == ["0000:12:00.0", "10000:01:00.0"], "driver")
    expect(matching("driver=nvme&driver=vfio-pci") == matching("driver=nvme,vfio-pci"), "repeats and commas are not the same")
    expect(len(matching("driver=nvme,vfio-pci")) == 4, "repeats are not OR")
    expect(matching("driver=none") == ["0000:13:00.0", "0000:39:00.0"], "driver none")
    expect(matching("iommu_group=none") == ["0000:14:00.0"], "iommu_group none")
    expect(matching("iommu_group=2") == ["0000:10:00.0", "0000:11:00.0", "0000:11:00.1"], "iommu_group")
    expect(matching("numa_node=0") == ["0000:05:00.0"] and len(matching("numa_node=none")) == 39, "numa_node")
    expect(matching("class=0x0108") == matching("category=storage") == matching("device=0953"), "class, category, device")
    expect(matching("vendor=0X8086&class=06") == ["0000:10:00.0"], "different filters are not AND")
    expect(matching("vendor=1234") == [], "vendor")
    expect(matching("search=uplink-to") == matching("search=ETH1") == matching("search=enp6s0,nowhere") == ["0000:06:00.0"], "search by interface")
    expect(matching("search=8086:0953") == matching("device=0953") and "0000:06:00.0" in matching("search=06:00"), "search by ID and address")
    expect(matching("search=NVME0") == matching("search=nvme0n1") == ["0000:12:00.0"], "search by what the kernel made of it")
    expect(matching("search=nvme1") == [], "search by a name that nothing has")
    expect(matching("search=ethernet&driver=nvme") == [] and len(matching("search=intel")) > 1, "search beside a filter, and by vendor")
    shown = client.ask("GET", "/v1/devices/0000:06:00.0", 200)
    expect(shown["interface_details"] == [{"name": "eth1", "alternative_names": ["enp6s0", "Uplink-to-the-2nd-floor"]}], shown["interface_details"])
    for query in ("driver=a/b", "driver=", "driver_override=", "driver_override=a/b", "vendor=808", "vendor=none", "class=1", "category=net", "iommu_group=-1", "iommu_group=x",
                  "numa_node=", "search=", "search=" + "x" * 129, "page_size=0", "page_size=1001", "page_size=x", "page_token=0000:99:00.0"):
        client.ask("GET", "/v1/devices?" + query, 400, code="invalid_value")
    client.ask("GET", "/v1/devices?drivr=nvme", 400, code="unknown_parameter")
    client.ask("GET", "/v1/devices?page_size=1&page_size=2", 400, code="repeated_parameter")


def overrides_in_the_list(client, daemon):
    def listed(query):
        return client.ask("GET", "/v1/devices?" + query, 200)["items"]
    def matching(query):
        return [item["address"] for item in listed(query)]
    everything = matching("")
    expect("driver_override" not in listed("")[0], "an override that nobody asked for")
    expect(matching("driver_override=any") == matching("driver_override=vfio-pci") == ["0000:16:00.0", "0000:17:00.0"], "any, by name")
    expect(matching("driver_override=none,vfio-pci") == everything, "none, or the name")
    expect(matching("driver_override=none") == [each for each in everything if each[:7] not in ("0000:16", "0000:17")], "none")
    expect(matching("driver_override=nvme") == [] and matching("driver_override=any&search=17:00") == ["0000:17:00.0"], "beside a search")
    one = listed("driver_override=any&page_size=1")[0]
    expect(one["driver_override"] == "vfio-pci" and one["driver_override_error"] is None, one)
    # Named as a field: of each device, without a filter; and a page of them.
    shown = listed("fields=address,driver_override")
    expect([each["address"] for each in shown] == everything and all(len(each) == 2 for each in shown), shown)
    expect(shown[0]["driver_override"] is None, shown[0])
    # As it is now, whatever was answered before; and one that cannot be read is not left out.
    client.ask("PUT", BINDING.format("0000:20:00.0"), 200, VFIO)
    expect("0000:20:00.0" in matching("driver_override=vfio-pci"), "the override that was just set")
    daemon.control("block sys/bus/pci/devices/0000:21:00.0/driver_override")
    unread = [each for each in listed("driver_override=any") if each["driver_override_error"]]
    expect([each["address"] for each in unread] == ["0000:21:00.0"] and unread[0]["driver_override"] is None, unread)
    daemon.control("unblock sys/bus/pci/devices/0000:21:00.0/driver_override")


def pages(client, _):
    for number in range(20, 26):
        client.ask("POST", CLAIMS, 201, {"devices": [f"0000:{number}:00.0"]})
    for path in ("/v1/devices", "/v1/iommu-groups", "/v1/iommus", "/v1/drivers", CLAIMS):
        whole = client.ask("GET", path, 200)
        expect(whole["next_page_token"] is None, "the whole list has a next page")
        items, token = [], ""
        while token is not None:
            page = client.ask("GET", f"{path}?page_size=4" + (f"&page_token={token}" if token else ""), 200)
            expect(len(page["items"]) <= 4, "a page is too long")
            items += page["items"]
            token = page["next_page_token"]
        expect(items == whole["items"], "the pages are not the list")
        client.ask("GET", path + "?page_token=nothing", 400, code="invalid_value")


def long_texts(client, daemon):
    """No text of a request is kept that is longer than its field can be: each names the field, and no line of the audit grows."""
    long, device = "x" * 50_000, "0000:20:00.0"
    path, override = BINDING.format(device), OVERRIDE.format(device)
    wrong = [("PUT", target, VFIO | {"expect": {name: long}}, "/expect/" + name) for target in (path, override)
             for name in ("vendor", "device", "subsystem_vendor", "subsystem_device", "serial")]
    wrong += [("PUT", path, VFIO | {name: long}, "/" + name) for name in ("scope", "method", "driver")]
    wrong += [("PUT", path, VFIO | {"accept_risks": [long]}, "/accept_risks"), ("PUT", path, VFIO | {"expect": {"serial": "0" * 65}}, "/expect/serial"),
              ("POST", BINDINGS, {"items": [VFIO | {"device": device, "expect": {"serial": long}}]}, "/items/0/expect/serial"),
              ("PUT", SRIOV.format("0000:15:00.0"), {"vfs": 1, "vf_token": long}, "/vf_token"), ("PUT", SRIOV.format("0000:15:00.0"), {"vfs": 1, "driver": long}, "/driver"),
              ("PUT", f"/v1/devices/{device}/cordon", {"reason": long}, "/reason"), ("POST", "/v1/drivers/vfio-pci/ids", {"vendor": long, "device": "beef"}, "/vendor"),
              ("POST", "/v1/devices/0000:17:00.0/probe", {"way": long}, "/way")]
    wrong += [("POST", CLAIMS, {"devices": [device]} | more, pointer) for more, pointer in (
        ({"devices": [long]}, "/devices"), ({"owner": {"users": [long]}}, "/owner/users/0"), ({"driver": long}, "/driver"), ({"reset": long}, "/reset"),
        ({"accept_risks": [long]}, "/accept_risks"))]
    wrong += [("POST", CLAIMS, {"selector": {name: long}}, "/selector/" + name) for name in ("vendor", "class", "category", "driver", "physfn", "address", "label")]
    wrong += [("POST", CLAIMS, {"selector": {"labels": {"a": long}}}, "/selector/labels/a")]
    for method, target, body, pointer in wrong:
        problem = client.ask(method, target, 400, body)
        found = problem["errors"][0]["pointer"] if "errors" in problem else problem["code"]
        expect(found == pointer or (pointer == "/driver" and found == "invalid_name"), f"{method} {target} {pointer}: {problem}")
        expect(len(json.dumps(problem)) < 1000, problem)
    problem = client.ask("DELETE", path + "?expect_serial=" + "0" * 65, 400)
    expect(problem["errors"][0]["pointer"] == "?expect_serial", problem)
    audit = client.ask("GET", "/v1/audit", 200)["items"]
    expect(all(len(json.dumps(item)) < 5000 for item in audit), "a line of the audit is long")


def pages_of_many(client, daemon):
    """A page of one costs about one item, however long the list is; and no list holds up a short question."""
    lists = ("/v1/devices", "/v1/iommu-groups", "/v1/drivers")
    client.ask("GET", "/v1/devices?page_size=1", 200)
    for path in lists:
        before = int(daemon.control("asked"))
        page = client.ask("GET", path + "?page_size=1", 200)
        asked = int(daemon.control("asked")) - before
        expect(len(page["items"]) == 1 and page["next_page_token"] and asked < 60, f"{path}: {asked} reads for a page of one")
    found, token = [], ""
    while token is not None:
        page = client.ask("GET", "/v1/iommu-groups?page_size=900" + token, 200)
        found += [item["iommu_group"] for item in page["items"]]
        token = page["next_page_token"] and "&page_token=" + page["next_page_token"]
    expect(found == sorted(set(found)) and len(found) > 2000, f"{len(found)} groups")
    last = client.ask("GET", "/v1/devices?page_size=1&iommu_group=2999", 200)
    expect([item["iommu_group"] for item in last["items"]] == [2999] and last["next_page_token"] is None, last)
    behind = client.ask("GET", "/v1/devices?vendor=8086&page_size=1&page_token=" + last["items"][0]["address"], 200)
    expect(behind["items"] == [] and behind["next_page_token"] is None, behind)
    client.ask("GET", "/v1/devices?iommu_group=none&page_size=1&page_token=" + last["items"][0]["address"], 400, code="invalid_value")
    table = client.ask("GET", "/v1/devices", 200, fields={"Accept": "text/plain"})
    expect(table.count("drv=") + table.count("unused=") > 2000, table[-300:])


def short_questions_beside_long_lists(client, daemon):
    """Thirty readers of whole lists: each other question is answered between their turns, and those who leave cost nothing."""
    with contextlib.ExitStack() as stack:
        readers = [stack.enter_context(daemon.connect()) for _ in range(30)]
        for reader in readers:
            reader.send(request_bytes("GET", "/v1/iommu-groups"))
        with daemon.connect() as quick:
            quick.send(request_bytes("GET", "/healthz"))
            answer = quick.answer()
        expect(answer.status == 200, answer.body)
        waiting = [reader for reader in readers if not select.select([reader.stream], [], [], 0)[0]]
        expect(len(waiting) > 20, f"{30 - len(waiting)} lists were made before a short answer")
    for _ in range(2):  # the second is behind whatever has been begun
        client.ask("GET", "/v1/iommu-groups?page_size=1", 200)
    before = int(daemon.control("asked"))
    client.ask("GET", "/healthz", 200)
    expect(int(daemon.control("asked")) - before < 60, "lists are made for readers who have left")
    expect(daemon.control("caught") == "", "something was thrown")


def text(client, _):
    shown = client.ask("GET", "/v1/devices", 200, fields={"Accept": "text/plain"})
    expect("Network devices using kernel driver\n=====" in shown and "if=eth1 drv=e1000e unused=vfio-pci *Active*" in shown, shown)
    expect("0000:12:00.0" not in client.ask("GET", "/v1/devices?category=network", 200, fields={"Accept": "text/plain"}), "filters are left out")
    def table(path):
        return client.ask("GET", path, 200, fields={"Accept": "text/plain"}).splitlines()
    expect(table("/v1/iommu-groups/2")[1].split()[:4] == ["2", "DMA-FQ", "no", "-"], table("/v1/iommu-groups/2"))
    for path, heading in (("/v1/iommu-groups", "GROUP"), ("/v1/drivers", "DRIVER"), ("/v1/operations", "CREATED"),
                          ("/v1/devices/0000:20:00.0/regions", "INDEX"), ("/v1/devices/0000:20:00.0/irqs", "INDEX")):
        lines = table(path)
        expect(lines[0].startswith(heading) and max(map(len, lines)) <= 120, lines[:2])
        items = client.ask("GET", path, 200).get("items")
        expect(items is None or len(lines) > len(items), f"{path}: lines are missing")
    expect("page_token=" in table("/v1/drivers?page_size=1")[-1], "the table does not tell of the next page")
    for accept in ("*/*", "application/json", "application/json, text/plain", "text/html", "text/plain;q=0.1, application/json", "text/plain;Q=0, */*"):
        expect(isinstance(client.ask("GET", "/v1/devices", 200, fields={"Accept": accept}), dict), accept)
    for accept in ("TEXT/Plain", "text/*", "application/json;q=0.5, text/plain; charset=\"UTF-8\"", "*/*, application/json;q=0"):
        expect(isinstance(client.ask("GET", "/v1/devices", 200, fields={"Accept": accept}), str), accept)
    split = request_bytes("GET", "/v1/devices", {"Accept": "application/json;q=0.1", "accept": "text/plain"})
    expect(client.exchange(split).fields["content-type"] == "text/plain; charset=utf-8", "two lines of Accept are one list")


def bytes_of_others(client, _):
    """The name of 8086:10ca in this machine's pci.ids is no UTF-8, and holds what would steer a terminal (machine.cpp)."""
    listed = client.ask("GET", "/v1/devices", 200, fields={"Accept": "text/plain"})
    expect("0000:15:10.0 '82576 \ufffd Virtual?Function??! 10ca'" in listed, listed)
    expect(not any(ord(c) < 32 and c != "\n" or 0x7f <= ord(c) < 0xa0 for c in listed), "a control character reaches the terminal")
    expect(client.ask("GET", "/v1/devices/0000:15:10.0", 200)["device_name"].startswith("82576 \ufffd Virtual"), "the name in JSON")


def groups(client, _):
    group = client.ask("GET", "/v1/iommu-groups/2", 200)
    expect(not group["viable"] and len(group["blockers"]) == 2 and group["members"][0]["bridge"], "group 2")
    merges = group["merged_by"]
    expect([merge["kind"] for merge in merges] == ["requester_alias"] and merges[0]["bridge"] == "0000:10:00.0", merges)
    held = client.ask("GET", "/v1/iommu-groups/18", 200)
    expect(held["node"]["path"] == "/dev/vfio/18", "the node of group 18")
    expect({holder["pid"] for holder in held["processes"]} == {4711} and held["merged_by"] == [], "who has group 18 open")
    client.ask("GET", "/v1/iommu-groups/999", 404, code="iommu_group_not_found")
    for number in ("x", "-1", "4294967296", "0x2", "02"):
        client.ask("GET", "/v1/iommu-groups/" + number, 400, code="invalid_value")


def firmware(client, daemon, listed):
    """The tables of the firmware: with their unit, without one, with their group, malformed, and unreadable."""
    units = [unit["firmware"] for unit in listed["items"]]
    expect(units[0]["base"] == "0xfed90000" and units[0]["scopes"][0]["devices"] == ["0000:05:00.0"] and units[1:] == [None] * 4, units)
    shown = listed["firmware"]
    tables = {table["signature"]: table for table in shown["tables"]}
    expect(tables.keys() == {"DMAR", "IVRS", "VIOT", "device-tree"} and tables["DMAR"]["address"] == "0x66683000", tables)
    expect([table["signature"] for table in shown["tables"] if table["problems"]] == ["VIOT", "device-tree"], tables)
    expect([item["base"] for item in shown["without_unit"] if item["unit"]] == ["0xfed91000", "0xfd200000", None], shown["without_unit"])
    expect([(item["kind"], item["devices"], item["iommu_groups"]) for item in shown["reserved_memory"]]
           == [("rmrr", ["0000:39:00.0"], [0x59]), ("ivmd", ["0000:13:00.0"], [13])], shown["reserved_memory"])
    expect(listed["translation"]["interrupt_remapping_mode"] == "x2apic", listed["translation"])
    text = client.ask("GET", "/v1/iommus", 200, fields={"Accept": "text/plain"})
    expect("ACPI: DMAR 0x66683000 " in text and "DMAR: RMRR base 0x6a000000 end 0x6e7fffff\n" in text, text)
    group = client.ask("GET", "/v1/iommu-groups/89", 200)
    expect(group["direct_mapped"] and "DMAR (RMRR) wants 0000:39:00.0" in group["refused_because"], group)
    expect([region["firmware"] for region in group["reserved_regions"]] == [{"table": "DMAR", "kind": "rmrr", "start": "0x6a000000", "end": "0x6e7fffff"}, None], group)
    expect(client.ask("GET", "/v1/iommu-groups/2", 200)["refused_because"] is None, "a group that nothing is wrong with")
    checks = {check["id"]: check for check in client.ask("GET", "/v1/doctor", 200)["checks"]}
    expect("Group 89: " in checks["iommu.firmware_memory"]["detail"] and "VIOT at 0x30" in checks["iommu.firmware_tables"]["detail"], checks)
    daemon.control("fail-reads sys/firmware/acpi/tables EACCES")
    refused = client.ask("GET", "/v1/iommus", 200)
    expect([table["error"] is not None for table in refused["firmware"]["tables"]] == [True, True, True, True, False], refused["firmware"]["tables"])
    expect(refused["items"][0]["firmware"] is None and "cannot be read" in client.ask("GET", "/v1/iommus", 200, fields={"Accept": "text/plain"}), refused)
    daemon.control("heal-reads")


def host(client, daemon):
    listed = client.ask("GET", "/v1/iommus", 200)
    expect(listed["translation"]["on"] and [unit["name"] for unit in listed["items"]] == ["dmar0", "dmar1", "dmar2", "dmar3", "dmar4"], listed)
    unit = listed["items"][0]
    expect(unit["kind"] == "intel" and unit["intel"]["capabilities"]["address_widths"] == [48], unit["intel"])
    expect("dmar0  intel  48 " in client.ask("GET", "/v1/iommus", 200, fields={"Accept": "text/plain"}), "the table of IOMMUs")
    firmware(client, daemon, listed)
    doctor = client.ask("GET", "/v1/doctor", 200)
    checks = {check["id"]: check["verdict"] for check in doctor["checks"]}
    expect(checks["iommu.present"] == "pass" and doctor["verdict"] in ("warn", "fail"), checks)
    expect(all((check["verdict"] == "pass") == (check["next_step"] is None) for check in doctor["checks"]), "a finding without advice")
    report = client.ask("GET", "/v1/doctor", 200, fields={"Accept": "text/plain"})
    expect("[ ok ]" in report and max(map(len, report.splitlines())) <= 100, report)
    daemon.control("fail-reads sys/class/iommu EIO")
    for path in ("/v1/iommus", "/v1/doctor"):
        client.ask("GET", path, 500, code="kernel_error")
    daemon.control("heal-reads")


def drivers(client, _):
    client.ask("GET", "/v1/drivers", 200)
    expect(client.ask("GET", "/v1/drivers/vfio-pci", 200)["vfio"], "vfio-pci is no VFIO driver")
    client.ask("GET", "/v1/drivers/ixgbe", 404, code="driver_not_found")
    for name in ("%20x", "a" * 64, "%c3%a9", "x%20"):
        client.ask("GET", "/v1/drivers/" + name, 400, code="invalid_name")
    facts = client.ask("GET", "/v1/vfio", 200)
    expect(facts["devices"] == ["0000:16:00.0", "0000:17:00.0"] and facts["container"]["api_version"] == 0, "vfio")
    for body in ({}, {"way": "auto"}, {"way": "group"}, {"way": "cdev"}):
        iommu = client.ask("POST", "/v1/vfio/probe", 200, body)["iommu"]
        expect(iommu["device"] == "0000:17:00.0" and iommu["way"] == ("cdev" if body.get("way") == "cdev" else "group"), iommu)
    wrong_probes(client, "/v1/vfio/probe")
    client.ask("POST", CLAIMS, 201, {"devices": ["0000:17:00.0"]})
    nobody = client.ask("POST", "/v1/vfio/probe", 200, {})
    expect(nobody["iommu"] is None and "no device" in nobody["iommu_error"], nobody)


def wrong_probes(client, path):
    for body, code in ((b"", "invalid_json"), ({"way": "any"}, "invalid_value"), ({"way": None}, "invalid_value"), ({"probe": "vfio"}, "unknown_field")):
        client.ask("POST", path, 400, body, code=code)
    client.ask("POST", path + "?dry_run=true", 400, {}, code="unknown_parameter")
    client.over("tcp").ask("POST", path, 403, {}, code="forbidden")
    client.over("tcp").ask("POST", path + "?dry_run=true", 400, {}, code="unknown_parameter")


def reads_change_nothing(client, daemon):
    """Every GET, with every value that its parameters can have, of a device that a probe would be possible of."""
    claim = client.ask("POST", CLAIMS, 201, {"devices": ["0000:20:00.0"]})["id"]
    operation = client.ask("GET", "/v1/operations", 200)["items"][0]["id"]
    names = {"bdf": "0000:17:00.0", "number": "19", "name": "vfio-pci"}
    before = daemon.control("touched")
    for template, method in client.document.operations():
        if method != "get" or template == "/v1/events":  # that has no end
            continue
        path = re.sub(r"\{([a-z]+)\}", lambda match: {**names, "id": claim if "claims" in template else operation}[match.group(1)], template)
        client.ask("GET", path, 200)
        for item in client.document.parameters(template, "get"):
            schema = client.document.follow(item["schema"])
            values = schema.get("enum", ["true", "false"] if schema.get("type") == "boolean" else [])
            for value in values if item["in"] == "query" else []:
                client.ask("GET", f"{path}?{item['name']}={value}", 409 if value == "iommufd" else 200)  # this host has none
        client.ask("GET", path + "?probe=vfio", 400, code="unknown_parameter")
    expect(daemon.control("touched") == before, f"{daemon.control('touched')} instead of {before}")
    client.ask("POST", "/v1/devices/0000:17:00.0/probe", 200, {})
    expect(daemon.control("touched") != before, "a probe would not be seen")


def bind_and_give_back(client, daemon):
    path = BINDING.format("0000:20:00.0")
    before = daemon.control("binding 0000:20:00.0")
    plan = client.ask("PUT", path + "?dry_run=true", 200, VFIO)
    expect(plan["would"] == "change" and [step["action"] for step in plan["steps"]] == ["set_override", "unbind", "bind"], "the plan")
    done = client.ask("PUT", path, 200, VFIO)
    expect(done["changed"] and done["driver"] == "vfio-pci" and done["original"]["driver"] == "e1000e", "the binding after it")
    expect(done["driver_override_set_by"] == "devbindd" and done["nodes"]["group"]["path"] == "/dev/vfio/64", "override or node")
    operation = client.ask("GET", done["operation"], 200)
    expect([step["value"] for step in operation["steps"]] == [step["value"] for step in plan["steps"]], "the plan is not what was done")
    again = client.ask("PUT", path, 200, VFIO)
    expect(not again["changed"] and again["operation"] is None, "the second time changed something")
    expect(client.ask("PUT", path + "?dry_run=true", 200, VFIO)["would"] == "nothing", "the dry run after it")
    back = client.ask("DELETE", path, 200)
    expect(back["changed"] and back["original"] is None and daemon.control("binding 0000:20:00.0") == before, "the give-back")
    expect(not client.ask("DELETE", path, 200)["changed"], "the second give-back changed something")


def other_tools(client, _):
    driverctl = {"tool": "driverctl", "path": "/etc/driverctl.d/pci-0000:36:00.0", "subject": "igb"}
    for path in ("/v1/devices/0000:36:00.0", BINDING.format("0000:36:00.0")):
        expect(client.ask("GET", path, 200)["managed_by"] == [driverctl], path)
    expect(client.ask("GET", "/v1/devices/0000:35:00.0", 200)["managed_by"] == [], "another device")
    preview = client.ask("PUT", BINDING.format("0000:36:00.0") + "?dry_run=true", 200, VFIO)
    expect(codes(preview["evidence"]) == ["tool.driverctl"] and preview["would"] == "change", preview)


def other_changes(client, daemon):
    client.ask("PUT", BINDING.format("0000:21:00.0"), 200, {"driver": None})
    expect(daemon.control("binding 0000:21:00.0") == "- override -", "unbind")
    client.ask("DELETE", BINDING.format("0000:21:00.0"), 200)
    expect(daemon.control("binding 0000:21:00.0") == "e1000e override -", "give-back of an unbind")
    client.ask("PUT", BINDING.format("0000:22:00.0"), 200, {"driver": "vfio-pci", "method": "new_id"})
    expect(daemon.control("binding 0000:22:00.0") == "vfio-pci override -", "new_id")
    client.ask("PUT", BINDING.format("0000:23:00.0") + "?dry_run=false", 200, {"driver": "vfio-pci", "scope": "device", "method": "driver_override", "accept_risks": []})
    client.ask("PUT", OVERRIDE.format("0000:24:00.0"), 200, VFIO)
    expect(daemon.control("binding 0000:24:00.0") == "e1000e override vfio-pci", "override")
    expect(client.ask("PUT", OVERRIDE.format("0000:24:00.0") + "?dry_run=true", 200, VFIO)["would"] == "nothing", "override twice")
    client.ask("DELETE", OVERRIDE.format("0000:24:00.0") + "?dry_run=true", 200)
    client.ask("DELETE", OVERRIDE.format("0000:24:00.0"), 200)
    expect(daemon.control("binding 0000:24:00.0") == "e1000e override -", "override cleared")


def whole_groups(client, daemon):
    alone = client.ask("PUT", BINDING.format("0000:11:00.0") + "?dry_run=true", 200, VFIO)
    expect(alone["would"] == "change" and codes(alone["evidence"]) == ["group.not_viable"], "the warning about the other member")
    done = client.ask("PUT", BINDING.format("0000:11:00.0"), 200, {"driver": "vfio-pci", "scope": "group"})
    expect([item["address"] for item in done["devices"]] == ["0000:11:00.0", "0000:11:00.1"], "the devices of the answer")
    expect(daemon.control("binding 0000:10:00.0") == "pcieport override -", "the bridge was touched")
    expect(client.ask("GET", "/v1/iommu-groups/2", 200)["viable"], "the group is not viable")
    back = client.ask("DELETE", BINDING.format("0000:11:00.1") + "?scope=group", 200)
    expect(len(back["devices"]) == 2 and back["devices"][0]["address"] == "0000:11:00.1", "the give-back of the group")


def transactions(client, daemon):
    devices = ("0000:20:00.0", "0000:11:00.0", "0000:11:00.1", "0000:21:00.0")
    def state():
        return {address: daemon.control("binding " + address) for address in devices}
    before = state()
    wanted = {"items": [VFIO | {"device": "0000:20:00.0", "expect": {"vendor": "8086"}}, VFIO | {"iommu_group": 2},
                        {"device": "0000:21:00.0", "driver": None, "scope": "device"}]}
    plan = client.ask("POST", BINDINGS + "?dry_run=true", 200, wanted)
    expect(plan["would"] == "change" and {item["address"] for item in plan["devices"]} == set(devices), plan)
    expect(codes(plan["evidence"]) == [] and state() == before, "the dry run")
    done = client.ask("POST", BINDINGS, 200, wanted)
    expect([item["address"] for item in done["devices"]] == ["0000:20:00.0", "0000:11:00.0", "0000:21:00.0", "0000:11:00.1"], done["devices"])
    expect([item["driver"] for item in done["devices"]] == ["vfio-pci", "vfio-pci", None, "vfio-pci"] and done["changed"], done["devices"])
    operation = client.ask("GET", done["operation"], 200)
    expect(operation["kind"] == "transaction" and [item["kind"] for item in operation["request"]["items"]] == ["bind", "bind", "unbind"], operation)
    expect([step["value"] for step in operation["steps"]] == [step["value"] for step in plan["steps"]], "the plan is not what was done")
    again = client.ask("POST", BINDINGS, 200, wanted)
    expect(not again["changed"] and again["operation"] is None and len(again["devices"]) == 3, again)
    lines = client.ask("GET", "/v1/audit?device=0000:11:00.1", 200)["items"]
    expect([(line["event"], line["kind"]) for line in lines] == [("ended", "transaction"), ("begun", "transaction")], lines)
    back = client.ask("POST", BINDINGS, 200, {"items": [{"device": "0000:21:00.0", "restore": True}, {"iommu_group": 2, "restore": True},
                                                        {"device": "0000:20:00.0", "restore": True}]})
    expect(back["changed"] and state() == before, state())
    # All or nothing: the last item fails or is refused, and none is changed.
    daemon.control("refuse-probe vfio-pci 0000:11:00.1 EIO")
    problem = client.ask("POST", BINDINGS, 409, wanted, code="bind_failed")
    expect(problem["restored"] and state() == before, state())
    refused = client.ask("POST", BINDINGS, 409, {"items": [VFIO | {"device": "0000:20:00.0"}, VFIO | {"device": "0000:06:00.0"}]}, code="refused")
    expect(codes(refused["blockers"]) == ["net.default_route"] and state() == before, refused)
    client.ask("POST", BINDINGS, 412, {"items": [VFIO | {"device": "0000:20:00.0"}, VFIO | {"device": "0000:21:00.0", "expect": {"device": "1234"}}]},
               code="identity_mismatch")
    client.ask("POST", BINDINGS, 409, {"items": [{"device": "0000:17:00.0", "restore": True}]}, code="nothing_to_restore")
    # The PF and a VF of it: the VF would vanish with the PF's driver.
    family = {"items": [{"device": "0000:15:00.0", "driver": None}, {"device": "0000:15:10.0", "driver": None}],
              "accept_risks": ["sriov.vfs_enabled", "vfio.open"]}
    client.ask("POST", BINDINGS, 400, {"items": [VFIO | {"device": "0000:11:00.0"}, VFIO | {"iommu_group": 2}]}, code="conflicting_items")
    refused = client.ask("POST", BINDINGS, 409, family, code="refused")
    expect(any(item["code"] == "sriov.vfs_enabled" and not item["acceptable"] for item in refused["blockers"]), refused["blockers"])
    for item, status, code, pointer in (
            ({"device": "0000:20:00.0"}, 400, "missing_field", "/items/1"), (VFIO, 400, "missing_field", "/items/1"), (5, 400, "invalid_value", "/items/1"),
            (VFIO | {"device": "0000:20:00.0", "iommu_group": 2}, 400, "invalid_value", "/items/1"),
            (VFIO | {"device": "0000:20:00.0", "restore": True}, 400, "invalid_value", "/items/1"),
            (VFIO | {"device": "20:00.0"}, 400, "invalid_value", "/items/1/device"), (VFIO | {"device": 7}, 400, "invalid_value", "/items/1/device"),
            (VFIO | {"iommu_group": -1}, 400, "invalid_value", "/items/1/iommu_group"), (VFIO | {"iommu_group": "2"}, 400, "invalid_value", "/items/1/iommu_group"),
            (VFIO | {"iommu_group": 2, "scope": "device"}, 400, "invalid_value", "/items/1/scope"),
            (VFIO | {"device": "0000:20:00.0", "method": "new_id"}, 400, "unknown_field", "/items/1/method"),
            (VFIO | {"device": "0000:20:00.0", "expect": {"vendr": "8086"}}, 400, "unknown_field", "/items/1/expect/vendr"),
            ({"device": "0000:20:00.0", "driver": "a/b"}, 400, "invalid_value", "/items/1/driver"),
            (VFIO | {"device": "0000:99:00.0"}, 404, "device_not_found", "/items/1/device"),
            (VFIO | {"iommu_group": 999}, 404, "iommu_group_not_found", "/items/1/iommu_group")):
        body = {"items": [VFIO | {"device": "0000:20:00.0"}, item]}
        problem = client.ask("POST", BINDINGS, status, body, code=code)
        expect(problem["errors"][0]["pointer"] == pointer, f"{item}: the pointer is {problem['errors'][0]['pointer']}")
        expect(status == 404 or pointer.endswith("/scope") or client.document.body_fault(BINDINGS, "post", body), f"{item}: the contract allows it")
    for body, pointer in (({}, "/items"), ({"items": []}, "/items"), ({"items": {}}, "/items"), ({"items": [VFIO | {"iommu_group": 2}] * 65}, "/items")):
        expect(client.ask("POST", BINDINGS, 400, body)["errors"][0]["pointer"] == pointer, body)


def claims(client, daemon):
    devices = ("0000:20:00.0", "0000:11:00.0", "0000:11:00.1")
    before = {address: daemon.control("binding " + address) for address in devices}
    asked = {"devices": ["0000:20:00.0", "0000:11:00.0"], "owner": {"users": ["root", 1000], "groups": ["root"]}, "ttl_seconds": 300, "labels": {"vm": "42"},
             "driver": "auto", "reset": "auto", "restore": True, "accept_risks": []}
    claim = client.ask("POST", CLAIMS, 201, asked, fields={"Idempotency-Key": "vm-42"})
    path = CLAIMS + "/" + claim["id"]
    expect(claim["state"] == "active" and claim["fencing_token"] == 1 and claim["labels"] == {"vm": "42"}, claim)
    expect([(item["address"], item["companion"], item["driver"]) for item in claim["devices"]] ==
           [(address, address.endswith(".1"), "vfio-pci") for address in devices], claim["devices"])
    expect(daemon.control("grants /dev/vfio/64") == "g0 u0 u1000", "who may use the node")
    expect(client.ask("POST", CLAIMS, 200, asked, fields={"Idempotency-Key": "vm-42"})["id"] == claim["id"], "the same key")
    client.ask("POST", CLAIMS, 409, {"devices": ["0000:21:00.0"]}, fields={"Idempotency-Key": "vm-42"}, code="idempotency_key_reused")
    client.ask("POST", CLAIMS, 400, {"devices": ["0000:21:00.0"]}, fields={"Idempotency-Key": "k" * 129}, code="invalid_value")
    expect(client.ask("GET", path, 200)["state"] == "active", "the claim")
    expect(client.ask("GET", BINDING.format("0000:11:00.1"), 200)["claim"] == path, "the binding does not name the claim")
    for method, target, body in (("PUT", BINDING.format("0000:20:00.0"), {"driver": "e1000e"}), ("DELETE", BINDING.format("0000:11:00.1"), None),
                                 ("POST", CLAIMS, {"devices": ["0000:11:00.1"]}), ("POST", "/v1/devices/0000:20:00.0/probe", {})):
        refused = client.ask(method, target, 409, body, code="refused")
        expect(set(codes(refused["blockers"])) == {"claim.held"} and claim["id"] in refused["detail"], refused)
    for form in ("qemu", "cloud-hypervisor", "dpdk", "spdk", "libvirt-xml", "cdi", "k8s-device-plugin", "nomad", "env"):
        expect("0000:20:00.0" in str(client.ask("GET", f"{path}/handover?format={form}", 200)) or form == "libvirt-xml", form)
    expect("DEVBINDD_CLAIM=" + claim["id"] in client.ask("GET", path + "/handover", 200), "the environment")
    client.ask("GET", path + "/handover?format=xen", 400, code="invalid_value")
    client.ask("GET", path + "/handover?backend=cdev", 400, code="invalid_value")
    mistaken = client.ask("POST", CLAIMS, 400, {"devics": [], "devices": ["0000:21:00.0"], "force": True}, code="unknown_field")
    expect([item["pointer"] for item in mistaken["errors"]] == ["/devics", "/force"] and 'mean "devices"' in mistaken["detail"], mistaken)
    client.ask("GET", path + "/handover?format=dpdk&backend=iommufd", 400, code="invalid_value")
    expect("DEVBINDD_BACKEND=group" in client.ask("GET", path + "/handover?backend=group", 200), "the backend")
    expect(client.ask("POST", path + "/renew", 200, {"ttl_seconds": 600})["expires_at"] > claim["expires_at"], "renewed")
    client.ask("POST", path + "/renew", 200, {})
    client.ask("POST", path + "/acknowledge", 409, {}, code="claim_not_active")
    daemon.control("open 0000:20:00.0 4712 vmm")
    problem = client.ask("DELETE", path, 409, code="claim_in_use")
    expect(problem["blockers"][0]["processes"][0]["command"] == "vmm", problem)
    plan = client.ask("DELETE", path + "?dry_run=true", 200)
    expect((plan["would"], codes(plan["refused_by"])) == ("refuse", ["vfio.open"]), plan)
    plan = client.ask("DELETE", path + "?dry_run=true&when_closed=true", 200)
    expect([(step["action"], step["path"], step["value"]) for step in plan["steps"]][0] == ("reset", "/sys/bus/pci/devices/0000:20:00.0/reset", "1"), plan)
    expect((plan["would"], plan["refused_by"], [item["address"] for item in plan["devices"]]) == ("change", [], list(devices)), plan)
    expect(client.ask("GET", path, 200)["state"] == "active", "a dry run has ended the claim")
    expect({item["as_claimed"] for item in client.ask("GET", path, 200)["devices"]} == {True}, "as claimed")
    waiting = client.ask("DELETE", path + "?when_closed=true", 202)
    expect(waiting["state"] == "releasing" and waiting["holders"][0]["pid"] == 4712, waiting)
    client.ask("GET", path + "/handover", 409, code="claim_not_active")
    client.ask("POST", path + "/renew", 409, {}, code="claim_not_active")
    daemon.control("close 0000:20:00.0")
    wait_for(client, path, "released")
    expect({address: daemon.control("binding " + address) for address in devices} == before, "the give-back")
    expect([item["reset"] for item in client.ask("GET", path, 200)["devices"]] == ["done", "unavailable", "unavailable"], "the resets")
    expect(client.ask("DELETE", path + "?dry_run=true", 200)["would"] == "nothing", "a dry run of what is over")
    expect(daemon.control("grants /dev/vfio/64") == "", "the node is still open to the owner")
    expect(client.ask("DELETE", path, 200)["state"] == "released", "a release once more")
    listed = client.ask("GET", CLAIMS, 200)["items"]
    expect([item["id"] for item in listed] == [claim["id"]] and client.ask("GET", CLAIMS + "?state=active", 200)["items"] == [], listed)
    expect(client.ask("GET", CLAIMS, 200, fields={"Accept": "text/plain"}).splitlines()[0].split() == ["ID", "STATE", "EXPIRES", "OWNER", "DEVICES"], "the table")


def claims_without_waiting(client, daemon):
    """Prefer counts for claims and their release, what was followed is told, and a key outlives its claim."""
    body = {"devices": ["0000:24:00.0"]}

    def sent(method, target, fields, document=None):
        answer = client.exchange(request_bytes(method, target, {"Content-Type": "application/json", **fields},
                                               b"" if document is None else json.dumps(document).encode()))
        client.check(method, target, answer, answer.status)
        return answer.status, answer.fields.get("preference-applied"), answer.json()

    status, applied, claim = sent("POST", CLAIMS, {"Idempotency-Key": "later"} | ASYNC, body)
    expect((status, applied, claim["state"]) == (202, "respond-async", "preparing"), claim)
    path = f"{CLAIMS}/{claim['id']}"
    wait_for(client, path, "active")
    status, applied, claim = sent("DELETE", path, ASYNC)
    expect((status, applied, claim["state"]) == (202, "respond-async", "releasing"), claim)
    wait_for(client, path, "released")
    for target in (CLAIMS, CLAIMS + "?dry_run=true"):
        again = client.ask("POST", target, 200, body, fields={"Idempotency-Key": "later"})
        expect((again["id"], again["state"]) == (claim["id"], "released"), again)
    client.ask("POST", CLAIMS, 409, {"devices": ["0000:25:00.0"]}, fields={"Idempotency-Key": "later"}, code="idempotency_key_reused")
    status, applied, claim = sent("POST", CLAIMS, {"Prefer": "Wait=\"20\", return=minimal"}, body)
    expect((status, applied) == (201, "wait=20"), applied)
    status, applied, _ = sent("DELETE", f"{CLAIMS}/{claim['id']}", {})
    expect((status, applied) == (200, None), applied)
    problem = client.ask("POST", CLAIMS, 400, body, fields={"Prefer": "handling=strict, wait=soon"}, code="invalid_value")
    expect("wait=soon" in problem["detail"], problem)
    status, applied, _ = sent("PUT", BINDING.format("0000:24:00.0"), {"Prefer": "wait=20, handling=strict"}, VFIO)
    expect((status, applied) == (200, "wait=20, handling=strict"), applied)
    client.ask("DELETE", BINDING.format("0000:24:00.0"), 200)


def claims_by_selector(client, daemon):
    labelled = client.ask("POST", CLAIMS, 201, {"selector": {"labels": {"pool": "vm"}}})
    expect(labelled["devices"][0]["address"] == "0000:05:00.0" and labelled["request"]["selector"]["labels"] == {"pool": "vm"}, labelled)
    client.ask("DELETE", f"{CLAIMS}/{labelled['id']}", 200)
    client.ask("POST", CLAIMS, 409, {"selector": {"labels": {"pool": "vm", "rack": "8"}}}, code="not_enough_devices")
    chosen = client.ask("POST", CLAIMS, 201, {"selector": {"vendor": "8086", "device": "10d3", "subsystem_vendor": "8086", "subsystem_device": "0001", "class": "0200", "category": "network", "driver": "e1000e", "count": 2}})
    taken = [item["address"] for item in chosen["devices"] if not item["companion"]]
    expect(len(taken) == 2 and "0000:06:00.0" not in taken, "a NIC with a default route was taken")
    problem = client.ask("POST", CLAIMS, 409, {"selector": {"numa_node": 7, "physfn": "0000:15:00.0"}}, code="not_enough_devices")
    expect("of 0 devices" in problem["detail"], problem)
    daemon.control("file sys/devices/pci0000:00/0000:33:00.0/label Slot 3")
    daemon.control("file sys/devices/pci0000:00/0000:33:00.0/current_link_speed 16.0 GT/s PCIe")
    for selector in ({"address": "0000:33:00.0"}, {"label": "Slot 3", "link_speed": 8}, {"driver": "e1000e", "link_speed": 16.0, "same_switch": True}):
        made = client.ask("POST", CLAIMS, 201, {"selector": selector})
        expect(made["devices"][0]["address"] == "0000:33:00.0", made)
        expect(made["request"]["selector"]["same_switch"] == selector.get("same_switch", False), made["request"])
        client.ask("DELETE", f"{CLAIMS}/{made['id']}", 200)
    problem = client.ask("POST", CLAIMS, 409, {"selector": {"driver": "e1000e", "link_speed": 32}}, code="not_enough_devices")
    expect("the speed of its link is" in problem["detail"], problem)
    daemon.control("process 4713")
    with_process = client.ask("POST", CLAIMS, 201, {"devices": ["0000:22:00.0"], "pid": 4713, "restore": False, "grace_seconds": 5})
    daemon.control("end-process 4713")
    wait_for(client, CLAIMS + "/" + with_process["id"], "released")
    expect(daemon.control("binding 0000:22:00.0").startswith("vfio-pci"), "restore: false")
    client.ask("POST", CLAIMS, 400, {"devices": ["0000:23:00.0"], "pid": 4714}, code="owner_not_found")
    client.ask("POST", CLAIMS, 400, {"devices": ["0000:23:00.0"], "owner": {"users": ["no-such-user-on-any-host"]}}, code="owner_not_found")
    daemon.control("block sys/bus/pci/drivers/e1000e/unbind 0000:24:00.0")
    slow = client.ask("POST", CLAIMS, 202, {"devices": ["0000:24:00.0"]})
    expect(slow["state"] == "preparing", slow)
    client.ask("DELETE", CLAIMS + "/" + slow["id"], 409, code="claim_not_active")
    daemon.control("unblock sys/bus/pci/drivers/e1000e/unbind 0000:24:00.0")
    path = CLAIMS + "/" + slow["id"]
    wait_for(client, path, "active")
    daemon.control("file sys/devices/pci0000:00/0000:24:00.0/config not-its-vendor")
    expect(client.ask("DELETE", path, 200)["state"] == "quarantined", "a device that does not answer")
    expect(daemon.control("binding 0000:24:00.0").startswith("vfio-pci"), "it is not given to its driver")
    expect(client.ask("POST", path + "/acknowledge", 200, {})["state"] == "released", "acknowledged")
    expect(client.ask("DELETE", "/v1/devices/0000:24:00.0/binding", 200)["driver"] == "e1000e", "given back by hand")
    daemon.control("refuse-probe vfio-pci 0000:25:00.0 EIO")
    client.ask("POST", CLAIMS, 409, {"devices": ["0000:25:00.0"]}, code="bind_failed")
    daemon.control("fail-access EOPNOTSUPP")
    client.ask("POST", CLAIMS, 500, {"devices": ["0000:26:00.0"], "owner": {"users": [1000]}}, code="kernel_error")
    daemon.control("fail-access 0")


def locked_memory(client, daemon):
    claim = client.ask("POST", CLAIMS, 201, {"devices": ["0000:20:00.0"], "owner": {"users": [1000]}})
    path = f"{CLAIMS}/{claim['id']}/memlock"
    for pid, uid in ((4720, 1000), (4721, 1001)):
        daemon.control(f"file proc/{pid}/limits Max locked memory 8388608 8388608 bytes")
        daemon.control(f"file proc/{pid}/comm qemu")
        daemon.control(f"file proc/{pid}/status Uid:\\t{uid}\\nVmLck:\\t1024 kB\\nCapEff:\\t0000000000000000")
    small = client.ask("POST", path, 200, {"pid": 4720, "dma_memory_bytes": 7 << 20, "way": "group"})
    expect((small["suffices"], small["needed_bytes"], small["locked_bytes"], small["next_step"]) == (True, 8 << 20, 1 << 20, None), small)
    large = client.ask("POST", path, 200, {"pid": 4720, "dma_memory_bytes": 1 << 32, "address_spaces": 2, "way": "group"})
    expect((large["suffices"], large["raised"], large["needed_bytes"]) == (False, False, (2 << 32) + (1 << 20)), large)
    expect(f"LimitMEMLOCK={large['needed_bytes']} " in large["next_step"], large["next_step"])
    raised = client.ask("POST", path, 200, {"pid": 4720, "dma_memory_bytes": 1 << 32, "way": "cdev", "raise": True})
    expect((raised["suffices"], raised["raised"], raised["soft_limit_bytes"]) == (True, True, 1 << 32), raised)
    client.ask("POST", path, 409, {"pid": 4721, "dma_memory_bytes": 1 << 32, "raise": True}, code="limit_not_raised")
    client.ask("POST", path, 400, {"pid": 4799, "dma_memory_bytes": 1}, code="owner_not_found")
    client.ask("POST", path, 400, {"dma_memory_bytes": 1}, code="owner_not_found")
    for body, code, pointer in (({}, "missing_field", "/dma_memory_bytes"), ({"dma_memory_bytes": -1}, "invalid_value", "/dma_memory_bytes"),
                                ({"dma_memory_bytes": 1, "pid": 0}, "invalid_value", "/pid"), ({"dma_memory_bytes": 1, "address_spaces": 0}, "invalid_value", "/address_spaces"),
                                ({"dma_memory_bytes": 1, "way": "both"}, "invalid_value", "/way"), ({"dma_memory_bytes": 1, "raise": 1}, "invalid_value", "/raise"),
                                ({"dma_memory_bytes": 1, "hugepages": 1}, "unknown_field", "/hugepages")):
        problem = client.ask("POST", path, 400, body, code=code)
        expect(problem["errors"][0]["pointer"] == pointer, problem)
        expect(client.document.body_fault("/v1/claims/{id}/memlock", "post", body), f"{body}: the contract allows it")
    client.ask("POST", path + "?x=1", 400, {"dma_memory_bytes": 1}, code="unknown_parameter")
    client.over("tcp").ask("POST", path, 403, {"dma_memory_bytes": 1}, code="forbidden")
    client.ask("POST", f"{CLAIMS}/93d68a43-dee6-494a-ab23-150570d6bc63/memlock", 404, {"dma_memory_bytes": 1}, code="claim_not_found")
    daemon.control("fail-reads sys/bus/pci/devices EIO")
    daemon.control("lose-uevents")
    client.ask("POST", path, 500, {"pid": 4720, "dma_memory_bytes": 1}, code="kernel_error")
    daemon.control("heal-reads")
    client.ask("DELETE", f"{CLAIMS}/{claim['id']}", 200)
    client.ask("POST", path, 409, {"pid": 4720, "dma_memory_bytes": 1}, code="claim_not_active")


def descriptors(client, daemon):
    def hand_over(path, body):
        """The answer, and the node of each descriptor: here it is a file with the path in it."""
        with daemon.connect() as connection:
            connection.send(request_bytes("POST", path, {"Content-Type": "application/json"}, json.dumps(body).encode()))
            answer = connection.answer()
            opened = [os.fdopen(descriptor, "rb") for descriptor in connection.descriptors]
        client.check("POST", path, answer, 200)
        return answer.json(), [os.pread(file.fileno(), 100, 0).decode() for file in opened]

    claim = client.ask("POST", CLAIMS, 201, {"devices": ["0000:33:00.0", "0000:34:00.0"], "owner": {"users": [4242]}})
    path = f"{CLAIMS}/{claim['id']}/fds"
    for body, way, first in (({}, "group", "/dev/vfio/vfio"), ({"way": "group"}, "group", "/dev/vfio/vfio"), ({"way": "cdev"}, "cdev", "/dev/iommu")):
        answer, nodes = hand_over(path, body)
        expect(answer["way"] == way and nodes == [item["path"] for item in answer["descriptors"]], f"{answer} {nodes}")
        line = client.ask("GET", "/v1/audit?device=0000:34:00.0&page_size=1", 200)["items"][0]
        expect((line["event"], line["kind"], line["request"]["claim"]) == ("handed_over", "claim", f"{CLAIMS}/{claim['id']}"), line)
        expect(nodes[0] == first and len(nodes) == 3 and answer["fencing_token"] == claim["fencing_token"], answer)
        expect([item["devices"] for item in answer["descriptors"]] == [[], ["0000:33:00.0"], ["0000:34:00.0"]], answer)
    kept = [link for link in daemon.open_files() if "memfd" in link and "devbindd-permits" not in link]
    expect(not kept, f"the daemon has kept {kept}")
    client.ask("POST", path, 200, {})  # a client that cannot take descriptors gets the answer all the same
    client.ask("POST", path, 400, {"way": "container"}, code="invalid_value")
    client.over("tcp").ask("POST", path, 403, {}, code="forbidden")
    daemon.control("fail-open /dev/vfio/83 EBUSY")
    expect(client.ask("POST", path, 409, {"way": "group"}, code="device_open")["errno"] == "EBUSY", "a group that is open")
    daemon.control("fail-open /dev/iommu ENOENT")
    client.ask("POST", path, 409, {"way": "cdev"}, code="node_not_found")
    daemon.control("fail-open /dev/vfio/83 EPERM")
    client.ask("POST", path, 500, {"way": "group"}, code="kernel_error")
    daemon.control("fail-open - ENOENT")
    client.ask("DELETE", path.removesuffix("/fds"), 200)
    client.ask("POST", path, 409, {}, code="claim_not_active")


def descriptors_over_tcp(client, _):
    """To a daemon whose TCP callers may change things."""
    claim = client.ask("POST", CLAIMS, 201, {"devices": ["0000:33:00.0"]})
    client.over("tcp").ask("POST", f"{CLAIMS}/{claim['id']}/fds", 409, {}, code="unix_socket_only")


def while_connected(client, daemon):
    """To a daemon that closes idle connections soon."""
    before = daemon.control("binding 0000:35:00.0")
    body = {"devices": ["0000:35:00.0"], "while_connected": True}
    with daemon.connect() as connection:
        connection.send(request_bytes("POST", CLAIMS, {"Content-Type": "application/json"}, json.dumps(body).encode()))
        answer = connection.answer()
        client.check("POST", CLAIMS, answer, 201)
        path = CLAIMS + "/" + answer.json()["id"]
        with daemon.connect() as other:
            expect(other.ended(), "an idle connection")
        expect(client.ask("GET", path, 200)["state"] == "active", "it ended although its connection is open")
    wait_for(client, path, "released")
    expect(daemon.control("binding 0000:35:00.0") == before, "the give-back")
    problem = client.over("tcp").ask("POST", CLAIMS + "?dry_run=true", 400, body)
    expect(problem["errors"][0]["pointer"] == "/while_connected", problem)
    with daemon.connect() as connection:
        connection.send(request_bytes("POST", CLAIMS, {"Content-Type": "application/json"}, json.dumps(body).encode()))
        made = connection.answer().json()
        client.ask("DELETE", CLAIMS + "/" + made["id"], 200)
        connection.send(request_bytes("GET", "/healthz"))
        expect(connection.answer().status == 200 and connection.ended(), "a connection that holds nothing any more stays")


def wrong_claims(client, _):
    one = {"devices": ["0000:20:00.0"]}
    for body, code, pointer in (
            ({}, "missing_field", "/devices"), (one | {"selector": {"vendor": "8086"}}, "invalid_value", "/devices"), ({"devices": "x"}, "invalid_value", "/devices"),
            ({"devices": [], "selector": {"vendor": "8086"}}, "invalid_value", "/devices"),
            ({"devices": ["x"]}, "invalid_value", "/devices/0"), ({"devices": ["0000:20:00.0"] * 2}, "invalid_value", "/devices/1"),
            ({"selector": 5}, "invalid_value", "/selector"), ({"selector": {"vendor": "80"}}, "invalid_value", "/selector/vendor"),
            ({"selector": {"class": "2"}}, "invalid_value", "/selector/class"), ({"selector": {"category": "net"}}, "invalid_value", "/selector/category"),
            ({"selector": {"vendor": "8086", "count": 0}}, "invalid_value", "/selector/count"), ({"selector": {"vendr": "8086"}}, "unknown_field", "/selector/vendr"),
            ({"selector": {"address": "x"}}, "invalid_value", "/selector/address"), ({"selector": {"label": ""}}, "invalid_value", "/selector/label"),
            ({"selector": {"labels": {}}}, "invalid_value", "/selector/labels"), ({"selector": {"labels": {"pool": 1}}}, "invalid_value", "/selector/labels/pool"), ({"selector": {"link_speed": 0}}, "invalid_value", "/selector/link_speed"), ({"selector": {"link_speed": "8"}}, "invalid_value", "/selector/link_speed"),
            ({"selector": {"vendor": "8086", "same_switch": 1}}, "invalid_value", "/selector/same_switch"),
            ({"selector": {"physfn": "x"}}, "invalid_value", "/selector/physfn"), ({"selector": {"numa_node": -1}}, "invalid_value", "/selector/numa_node"),
            (one | {"driver": 5}, "invalid_value", "/driver"), (one | {"owner": []}, "invalid_value", "/owner"), (one | {"owner": {"users": "vmm"}}, "invalid_value", "/owner/users"),
            (one | {"owner": {"groups": [-1]}}, "invalid_value", "/owner/groups/0"), (one | {"owner": {"user": []}}, "unknown_field", "/owner/user"),
            (one | {"owner": {"users": [4294967295]}}, "invalid_value", "/owner/users/0"), (one | {"ttl_seconds": 0}, "invalid_value", "/ttl_seconds"),
            (one | {"pid": 0}, "invalid_value", "/pid"), (one | {"restore": 1}, "invalid_value", "/restore"), (one | {"reset": "always"}, "invalid_value", "/reset"), (one | {"reset": True}, "invalid_value", "/reset"), (one | {"grace_seconds": -1}, "invalid_value", "/grace_seconds"), (one | {"grace_seconds": 86401}, "invalid_value", "/grace_seconds"), (one | {"while_connected": "yes"}, "invalid_value", "/while_connected"), (one | {"labels": {"a": 1}}, "invalid_value", "/labels/a"),
            (one | {"accept_risks": ["x"]}, "invalid_value", "/accept_risks/0"), (one | {"nonsense": 1}, "unknown_field", "/nonsense")):
        problem = client.ask("POST", CLAIMS, 400, body, code=code)
        expect(problem["errors"][0]["pointer"] == pointer, f"{body}: the pointer is {problem['errors'][0]['pointer']}")
        expect(client.document.body_fault(CLAIMS, "post", body), f"{body}: the contract allows it")
    for body, pointer in ((one | {"driver": "e1000e"}, "/driver"), ({"selector": {}}, "/selector"), ({"selector": {"count": 2}}, "/selector"), ({"selector": {"count": 2, "same_switch": True}}, "/selector"), (one | {"driver": "a/b"}, "/driver")):
        expect(client.ask("POST", CLAIMS, 400, body)["errors"][0]["pointer"] == pointer, body)
    client.ask("GET", CLAIMS + "?state=asleep", 400, code="invalid_value")
    absent = CLAIMS + "/93d68a43-dee6-494a-ab23-150570d6bc63"
    for method, target, body in (("GET", absent, None), ("DELETE", absent, None), ("POST", absent + "/renew", {}), ("POST", absent + "/acknowledge", {}),
                                 ("POST", absent + "/fds", {}), ("GET", absent + "/handover", None)):
        client.ask(method, target, 404, body, code="claim_not_found")
    client.ask("POST", CLAIMS, 404, {"devices": ["0000:99:00.0"]}, code="device_not_found")
    refused = client.ask("POST", CLAIMS, 409, {"devices": ["0000:21:00.0"], "reset": "required"}, code="refused")
    expect(codes(refused["blockers"]) == ["device.no_reset"], refused)
    client.ask("DELETE", absent + "?dry_run=true", 404, code="claim_not_found")
    client.ask("DELETE", absent + "?when_closed=1", 400, code="invalid_value")
    client.ask("POST", absent + "/renew", 400, {"ttl_seconds": 0}, code="invalid_value")
    client.ask("POST", absent + "/acknowledge", 400, {"x": 1}, code="unknown_field")


def policies(client, daemon):
    def place():
        listed = client.ask("GET", "/v1/policies", 200)["items"]
        expect([item["name"] for item in listed] == ["node-0"] and listed[0]["exclude"] == ["0000:06:00.0"], listed)
        expect([item["address"] for item in listed[0]["devices"]] == ["0000:05:00.0"], listed)
        expect(listed[0]["labels"] == {"pool": "vm", "rack": "7"}, listed)
        return listed[0]["devices"][0]
    expect((place()["outcome"], place()["drift"], place()["driver"]) == ("pending", False, "e1000e"), place())
    client.ask("PUT", OVERRIDE.format("0000:05:00.0"), 200, {"driver": "pci-stub"})
    client.ask("DELETE", OVERRIDE.format("0000:05:00.0"), 200)
    daemon.control("start-policies")
    for _ in range(50):
        if place()["outcome"] != "pending":
            break
    done = place()
    expect((done["outcome"], done["driver"], done["drift"]) == ("in_force", "vfio-pci", False), done)
    operation = client.ask("GET", done["operation"], 200)
    expect(operation["requested_by"] == {"transport": "policy", "uid": None, "pid": None}, operation)
    keeper = {"tool": "policy", "path": "/v1/policies", "subject": "node-0"}
    expect(client.ask("GET", BINDING.format("0000:05:00.0"), 200)["managed_by"] == [keeper], "who moves the device")
    expect(client.ask("GET", BINDING.format("0000:06:00.0"), 200)["managed_by"] == [], "a device that the policy leaves out")
    client.ask("DELETE", BINDING.format("0000:05:00.0"), 200)
    expect(place()["drift"], "what somebody changed afterwards is drift")
    shown = client.ask("GET", "/v1/policies", 200, fields={"Accept": "text/plain"})
    expect("node-0" in shown and "drifted: it has e1000e now" in shown, shown)


def incomplete_operation(client, daemon):
    path = BINDING.format("0000:22:00.0")
    expect(client.ask("GET", path, 200)["incomplete_operation"] is None, "before anything happened")
    daemon.control("fail-write 3 EIO")
    daemon.control("fail-write 5 EBUSY")
    problem = client.ask("PUT", path, 500, VFIO, code="restore_failed")
    expect(problem["unrestored"] == ["0000:22:00.0"], problem)
    expect(client.ask("GET", path, 200)["incomplete_operation"] == problem["operation"], "the mark of the device")
    back = client.ask("DELETE", path, 200)
    expect(back["changed"] and back["incomplete_operation"] is None and daemon.control("binding 0000:22:00.0") == "e1000e override -", back)


def virtual_functions(client, daemon):
    path = SRIOV.format("0000:15:00.0")
    shown = client.ask("GET", path, 200)
    expect([(item["index"], item["address"], item["driver"]) for item in shown["vfs"]] == [(0, "0000:15:10.0", "igbvf"), (1, "0000:15:10.2", "igbvf")], shown)
    plan = client.ask("PUT", path + "?dry_run=true", 200, VFIO | {"vfs": 3})
    expect([step["action"] for step in plan["steps"]][:3] == ["set_autoprobe", "set_numvfs", "set_numvfs"], plan["steps"])
    expect([item["recreated"] for item in plan["devices"]] == [False, True, True, False], plan["devices"])
    made = client.ask("PUT", path, 200, VFIO | {"vfs": 3})
    expect(made["changed"] and [item["driver"] for item in made["vfs"]] == ["vfio-pci"] * 3 and made["drivers_autoprobe"], made)
    again = client.ask("PUT", path, 200, VFIO | {"vfs": 3})
    expect(not again["changed"] and again["operation"] is None, again)
    operation = client.ask("GET", made["operation"], 200)
    expect(operation["kind"] == "set_vfs" and operation["request"]["vfs"] == 3, operation["request"])
    # One of them in use, then one of them held: neither goes.
    claim = client.ask("POST", CLAIMS, 201, {"selector": {"physfn": "0000:15:00.0"}})
    refused = client.ask("PUT", path, 409, {"vfs": 0}, code="refused")
    expect("claim.held" in codes(refused["blockers"]), refused["blockers"])
    client.ask("DELETE", f"{CLAIMS}/{claim['id']}", 200)
    daemon.control("open 0000:15:10.4 4712 qemu")
    refused = client.ask("PUT", path, 409, {"vfs": 0, "accept_risks": ["vfio.open"]}, code="refused")
    expect([(item["code"], item["path"]) for item in refused["blockers"]] == [("sriov.vf_in_use", ["0000:15:10.4"])], refused["blockers"])
    daemon.control("close 0000:15:10.4")
    daemon.control("refuse-probe vfio-pci 0000:15:10.2 EIO")
    problem = client.ask("PUT", path, 500, VFIO | {"vfs": 2}, code="restore_failed")
    expect(problem["errno"] == "EIO" and not problem["restored"], problem)  # nor did it let itself be bound again
    daemon.control("refuse-probe vfio-pci 0000:15:10.2 0")
    operation = client.ask("PUT", path, 202, {"vfs": 0, "drivers_autoprobe": False}, fields=ASYNC)
    wait_for(client, "/v1/operations/" + operation["id"], "succeeded")
    gone = client.ask("GET", path, 200)
    expect(gone["vfs"] == [] and not gone["drivers_autoprobe"], gone)
    client.ask("PUT", path, 200, {"vfs": 1, "driver": None, "drivers_autoprobe": True})
    for address, body, code in (("0000:20:00.0", {"vfs": 1}, "sriov.absent"), ("0000:15:00.0", {"vfs": 8}, "sriov.too_many"),
                                ("0000:15:00.0", {"vfs": 2, "driver": "ixgbe"}, "driver.absent"),
                                ("0000:15:00.0", {"vfs": 2, "vf_token": "3f8e1c52-9d0b-4b7e-a0a6-1c2d3e4f5a6b"}, "sriov.vf_token")):
        refused = client.ask("PUT", SRIOV.format(address), 409, body, code="refused")
        expect(code in codes(refused["blockers"]), refused["blockers"])
    client.ask("PUT", path, 412, {"vfs": 1, "expect": {"device": "1234"}}, code="identity_mismatch")
    expect(client.ask("GET", SRIOV.format("0000:20:00.0"), 200)["total_vfs"] == 0, "a device that has none")
    for body, code, pointer in (({}, "missing_field", "/vfs"), ({"vfs": -1}, "invalid_value", "/vfs"), ({"vfs": "3"}, "invalid_value", "/vfs"),
                                ({"vfs": 65536}, "invalid_value", "/vfs"), ({"vfs": 1.5}, "invalid_value", "/vfs"), ({"vfs": 1, "driver": ""}, "invalid_value", "/driver"),
                                ({"vfs": 1, "driver": 5}, "invalid_value", "/driver"), ({"vfs": 1, "drivers_autoprobe": 1}, "invalid_value", "/drivers_autoprobe"),
                                ({"vfs": 1, "autoprobe": True}, "unknown_field", "/autoprobe"), ({"vfs": 1, "vf_token": "x"}, "invalid_value", "/vf_token"),
                                ({"vfs": 1, "vf_token": "3f8e1c52-9d0b-4b7e-a0a6-1c2d3e4f5a6g"}, "invalid_value", "/vf_token"), ({"vfs": 1, "expect": 1}, "invalid_value", "/expect"),
                                ({"vfs": 1, "accept_risks": ["all"]}, "invalid_value", "/accept_risks/0")):
        problem = client.ask("PUT", path, 400, body, code=code)
        expect(problem["errors"][0]["pointer"] == pointer, f"{body}: the pointer is {problem['errors'][0]['pointer']}")
        expect(client.document.body_fault("/v1/devices/{bdf}/sriov", "put", body), f"{body}: the contract allows it")
    client.ask("PUT", path + "?dry_run=1", 400, {"vfs": 1}, code="invalid_value")
    client.ask("GET", path + "?dry_run=true", 400, code="unknown_parameter")
    for wrong, status, code in (("0000:99:00.0", 404, "device_not_found"), ("15:00.0", 400, "invalid_address")):
        client.ask("GET", SRIOV.format(wrong), status, code=code)
        client.ask("PUT", SRIOV.format(wrong), status, {"vfs": 1}, code=code)


def cordons(client, daemon):
    path = "/v1/devices/0000:20:00.0/cordon"
    expect(client.ask("GET", path, 200)["cordon"] is None, "cordoned from the start")
    set_ = client.ask("PUT", path, 200, {"reason": "to be replaced"})
    expect(set_["cordon"]["reason"] == "to be replaced" and set_["cordon"]["requested_by"]["transport"] == "unix", set_)
    for shown in ("/v1/devices/0000:20:00.0", BINDING.format("0000:20:00.0")):
        expect(client.ask("GET", shown, 200)["cordon"] == set_["cordon"], shown)
    refused = client.ask("POST", CLAIMS, 409, {"devices": ["0000:20:00.0"]}, code="refused")
    expect(codes(refused["blockers"]) == ["device.cordoned"] and "to be replaced" in refused["blockers"][0]["detail"], refused)
    client.ask("PUT", BINDING.format("0000:20:00.0"), 200, VFIO)
    client.ask("POST", CLAIMS, 409, {"devices": ["0000:20:00.0"]}, code="refused")
    client.ask("DELETE", path, 200)
    made = client.ask("POST", CLAIMS, 201, {"devices": ["0000:20:00.0"]})
    expect(client.ask("PUT", path, 200, {})["cordon"]["reason"] is None, "no reason")
    expect(client.ask("GET", f"{CLAIMS}/{made['id']}", 200)["state"] == "active", "a claim of before")
    client.ask("DELETE", f"{CLAIMS}/{made['id']}", 200)
    # A sibling of the group, by address and by selector.
    client.ask("PUT", "/v1/devices/0000:11:00.1/cordon", 200, {})
    client.ask("POST", CLAIMS, 409, {"devices": ["0000:11:00.0"]}, code="refused")
    for body, code, pointer in (({"reason": 5}, "invalid_value", "/reason"), ({"reason": "x" * 257}, "invalid_value", "/reason"), ({"why": "x"}, "unknown_field", "/why")):
        problem = client.ask("PUT", path, 400, body, code=code)
        expect(problem["errors"][0]["pointer"] == pointer, problem)
        expect(client.document.body_fault("/v1/devices/{bdf}/cordon", "put", body), f"{body}: the contract allows it")
    remote = client.over("tcp")
    for method, body in (("GET", None), ("PUT", {}), ("DELETE", None)):
        client.ask(method, "/v1/devices/0000:99:00.0/cordon", 404, body, code="device_not_found")
        client.ask(method, "/v1/devices/99:00.0/cordon", 400, body, code="invalid_address")
        client.ask(method, path + "?x=1", 400, body, code="unknown_parameter")
        remote.ask(method, path, 200 if method == "GET" else 403, body, code="" if method == "GET" else "forbidden")
    daemon.control("fail-reads sys/bus/pci/devices EIO")
    daemon.control("lose-uevents")
    for method, body in (("GET", None), ("PUT", {})):
        client.ask(method, path, 500, body, code="kernel_error")
    client.ask("DELETE", path, 200)  # what is known by its address alone
    client.ask("DELETE", path, 500, code="kernel_error")
    daemon.control("heal-reads")


def refusals(client, daemon):
    def refused(address, body, code, path=BINDING):
        problem = client.ask("PUT", path.format(address), 409, body, code="refused")
        expect(code in codes(problem["blockers"]), f"{code} is not among {codes(problem['blockers'])}")
        plan = client.ask("PUT", path.format(address) + "?dry_run=true", 200, body)
        expect(plan["would"] == "refuse" and code in codes(plan["refused_by"]), f"the dry run does not say {code}")
    before = {address: daemon.control("binding " + address) for address in ("0000:06:00.0", "0000:16:00.0", "0000:10:00.0", "0000:15:00.0", "0000:14:00.0")}
    refused("0000:06:00.0", VFIO, "net.default_route")
    refused("0000:16:00.0", {"driver": None}, "vfio.open")
    refused("0000:10:00.0", VFIO, "device.bridge")
    refused("0000:15:00.0", VFIO, "sriov.vfs_enabled")
    refused("0000:14:00.0", VFIO, "iommu.absent")
    refused("0000:20:00.0", {"driver": "ixgbe"}, "driver.absent")
    refused("0000:20:00.0", {"driver": "igb"}, "driver.no_match")
    client.ask("PUT", BINDING.format("0000:25:00.0"), 200, {"driver": None})
    refused("0000:05:00.0", {"driver": "vfio-pci", "method": "new_id", "accept_risks": ["net.default_route"]}, "driver.id_captures")
    expect(all(daemon.control("binding " + address) == state for address, state in before.items()), "a refusal changed something")
    client.ask("PUT", BINDING.format("0000:06:00.0"), 200, {"driver": "vfio-pci", "accept_risks": ["net.default_route"]})
    client.ask("DELETE", BINDING.format("0000:17:00.0"), 409, code="nothing_to_restore")
    client.ask("DELETE", BINDING.format("0000:06:00.0") + "?accept_risks=net.default_route&accept_risks=vfio.open", 200)
    client.ask("DELETE", OVERRIDE.format("0000:17:00.0") + "?accept_risks=vfio.open,net.default_route", 200)
    problem = client.ask("POST", "/v1/drivers/ixgbe/ids", 409, {"vendor": "8086", "device": "10d3"}, code="refused")
    expect(codes(problem["blockers"]) == ["driver.absent"], "the driver that is absent")
    client.ask("DELETE", "/v1/drivers/ixgbe/ids?vendor=8086&device=10d3", 409, code="refused")


def expectations(client, daemon):
    path, override = BINDING.format("0000:20:00.0"), OVERRIDE.format("0000:20:00.0")
    before = daemon.control("binding 0000:20:00.0")
    for wrong in ({"vendor": "10de"}, {"device": "10c9"}, {"subsystem_vendor": "ffff"}, {"subsystem_device": "ffff"},
                  {"vendor": "8086", "serial": "00-1b-21-ff-ff-a1-b2-c3"}):
        client.ask("PUT", path, 412, VFIO | {"expect": wrong}, code="identity_mismatch")
        client.ask("PUT", override, 412, VFIO | {"expect": wrong}, code="identity_mismatch")
        query = "?" + "&".join(f"expect_{name}={value}" for name, value in wrong.items())
        client.ask("DELETE", path + query, 412, code="identity_mismatch")
        client.ask("DELETE", override + query, 412, code="identity_mismatch")
        client.ask("PUT", path + "?dry_run=true", 412, VFIO | {"expect": wrong}, code="identity_mismatch")
    expect(daemon.control("binding 0000:20:00.0") == before, "a mismatch changed something")
    right = {"vendor": "8086", "device": "10d3", "subsystem_vendor": "8086", "subsystem_device": "0001"}
    client.ask("PUT", path, 200, VFIO | {"expect": right})
    client.ask("DELETE", path + "?" + "&".join(f"expect_{name}={value}" for name, value in right.items()), 200)
    query = "?expect_vendor=8086&expect_device=10d3&expect_subsystem_vendor=8086&expect_subsystem_device=0001"
    client.ask("DELETE", override + query, 200)
    for target in (path, override):  # a card with a serial number
        client.ask("DELETE", target.replace("0000:20:00.0", "0000:38:00.0") + "?expect_serial=00-1b-21-ff-ff-a1-b2-c3", 200)
    for value, pointer in (({"vendor": "0x808"}, "/expect/vendor"), ({"vendr": "8086"}, "/expect/vendr"), ({"device": 5}, "/expect/device"),
                           ("8086", "/expect"), (None, "/expect")):
        problem = client.ask("PUT", path, 400, VFIO | {"expect": value})
        expect(problem["errors"][0]["pointer"] == pointer, problem)
    expect(client.ask("DELETE", path + "?expect_vendor=1", 400)["errors"][0]["pointer"] == "?expect_vendor", "the pointer")


def audit(client, _):
    expect(client.ask("GET", "/v1/audit", 200)["items"] == [], "lines before the first change")
    client.ask("PUT", BINDING.format("0000:06:00.0"), 409, VFIO, code="refused")
    client.ask("PUT", BINDING.format("0000:06:00.0") + "?dry_run=true", 200, VFIO)
    client.ask("PUT", BINDING.format("0000:06:00.0"), 200, VFIO | {"accept_risks": ["net.default_route", "vfio.open"]})
    client.ask("PUT", BINDING.format("0000:99:00.0"), 404, VFIO, code="device_not_found")
    lines = client.ask("GET", "/v1/audit", 200)["items"]
    expect([(line["event"], line["outcome"]) for line in lines] ==
           [("refused", "device_not_found"), ("ended", "succeeded"), ("begun", "running"), ("refused", "refused")], lines)
    expect(lines[1]["accepted_risks"] == ["net.default_route"] and lines[3]["evidence"] == ["net.default_route"], lines)
    expect(lines[0]["requested_by"]["transport"] == "unix" and lines[1]["operation"] == lines[2]["operation"], lines)
    expect(len(client.ask("GET", "/v1/audit?device=0000:06:00.0", 200)["items"]) == 3, "the filter")
    page = client.ask("GET", "/v1/audit?page_size=3", 200)
    rest = client.ask("GET", "/v1/audit?page_size=3&page_token=" + page["next_page_token"], 200)
    expect(page["items"] + rest["items"] == lines and rest["next_page_token"] is None, "the pages")
    for query in ("device=x", "page_size=0", "page_token=x", "page_token=-1"):
        client.ask("GET", "/v1/audit?" + query, 400)
    report = client.ask("GET", "/v1/audit", 200, fields={"Accept": "text/plain"})
    expect(report.startswith("AT ") and "accepted net.default_route" in " ".join(report.split()) and max(map(len, report.splitlines())) <= 120, report)


def usage(client, _):
    shown = client.ask("GET", "/v1/devices/0000:06:00.0/usage", 200)
    expect(shown["in_use"] and codes(shown["evidence"])[0] == "net.default_route", shown)
    expect(shown["evidence"][0]["path"] == ["eth1"], shown)
    expect(not client.ask("GET", "/v1/devices/0000:20:00.0/usage", 200)["in_use"], "an idle card is in use")
    held = client.ask("GET", "/v1/devices/0000:16:00.0/usage", 200)
    expect(codes(held["evidence"]) == ["vfio.open"] and held["evidence"][0]["processes"][0]["pid"] == 4711, held)
    expect(client.ask("GET", "/v1/devices/0000:17:00.0/usage", 200)["evidence"] == [], "an idle VFIO device is in use")
    rules = {rule["rule"]: rule["outcome"] for rule in shown["rules"]}
    expect(rules["routes"] == "found" and rules["mounts"] == rules["claims"] == "nothing", rules)
    expect({rule["rule"] for rule in held["rules"]} >= {"vfio", "claims"}, held["rules"])
    client.ask("POST", CLAIMS, 201, {"devices": ["0000:20:00.0"]})
    claimed = client.ask("GET", "/v1/devices/0000:20:00.0/usage", 200)
    expect(codes(claimed["evidence"]) == ["claim.held"] and claimed["rules"][-1]["outcome"] == "found", claimed)
    report = client.ask("GET", "/v1/devices/0000:06:00.0/usage", 200, fields={"Accept": "text/plain"})
    expect(report.splitlines()[0].split() == ["CODE", "SEVERITY", "WHAT"], report)
    client.ask("GET", "/v1/devices/0000:99:00.0/usage", 404, code="device_not_found")


def failures(client, daemon):
    daemon.control("refuse-probe vfio-pci 0000:20:00.0 EIO")
    problem = client.ask("PUT", BINDING.format("0000:20:00.0"), 409, VFIO, code="bind_failed")
    expect(problem["errno"] == "EIO" and problem["restored"] and problem["step"]["action"] == "bind", "the failed bind")
    expect(daemon.control("binding 0000:20:00.0") == "e1000e override -", "the failed bind is not undone")
    expect(client.ask("GET", problem["operation"], 200)["state"] == "failed", "the operation's state")
    daemon.control("probe-lies vfio-pci 0000:21:00.0")
    problem = client.ask("PUT", BINDING.format("0000:21:00.0"), 409, VFIO, code="bind_failed")
    expect(problem["step"] is None and problem["errno"] is None, "a bind that only looks like one")
    daemon.control("fail-write 3 EIO")
    daemon.control("fail-write 5 EBUSY")
    problem = client.ask("PUT", BINDING.format("0000:22:00.0"), 500, VFIO, code="restore_failed")
    expect(not problem["restored"] and problem["undo_failures"], "the failed undo")
    daemon.control("remove-before-write 2 0000:23:00.0")
    problem = client.ask("PUT", BINDING.format("0000:23:00.0"), 409, VFIO, code="device_gone")
    client.ask("GET", "/v1/devices/0000:23:00.0", 404, code="device_not_found")
    for path, body in ((OVERRIDE, VFIO), (OVERRIDE, None)):
        if body is None:
            client.ask("PUT", path.format("0000:24:00.0"), 200, VFIO)
        daemon.control("fail-write 1 ENOMEM")
        client.ask("PUT" if body else "DELETE", path.format("0000:24:00.0"), 409, body, code="bind_failed")
    client.ask("PUT", BINDING.format("0000:25:00.0"), 200, VFIO)
    daemon.control("refuse-probe e1000e 0000:25:00.0 EIO")
    client.ask("DELETE", BINDING.format("0000:25:00.0"), 409, code="bind_failed")
    expect(daemon.control("binding 0000:25:00.0") == "vfio-pci override vfio-pci", "the failed give-back is not undone")


def blocked(client, daemon):
    path = BINDING.format("0000:16:00.0")
    operation = client.ask("PUT", path, 202, {"driver": None, "accept_risks": ["vfio.open"]})
    expect(operation["state"] == "blocked" and operation["blocked"]["holders"][0]["pid"] == 4711, "who holds it")
    where = "/v1/operations/" + operation["id"]
    expect(client.ask("GET", "/v1/devices/0000:16:00.0", 200)["operation"] == where, "the device does not name the operation")
    for method, target, body in (("PUT", path, VFIO), ("DELETE", path, None), ("PUT", OVERRIDE.format("0000:16:00.0"), VFIO),
                                 ("DELETE", OVERRIDE.format("0000:16:00.0"), None)):
        problem = client.ask(method, target, 409, body, code="operation_in_progress")
        expect(problem["operation"] == where, "the operation in the way is not named")
    expect([item["id"] for item in client.ask("GET", "/v1/operations?state=blocked", 200)["items"]] == [operation["id"]], "the list of blocked ones")
    client.ask("PUT", BINDING.format("0000:20:00.0"), 200, VFIO)
    daemon.control("close 0000:16:00.0")
    wait_for(client, where, "succeeded")
    expect(client.ask("GET", path, 200)["driver"] is None, "the binding in the end")


def wait_for(client, where, state):
    for _ in range(1000):
        if client.ask("GET", where, 200)["state"] == state:
            return
    raise AssertionError(f"{where} did not come to be {state}")


def busy_kernel(client, daemon):
    """The kernel hangs in somebody's unbind and holds the device's lock."""
    daemon.control("block sys/bus/pci/devices/0000:20:00.0/driver_override")
    binding = client.ask("GET", BINDING.format("0000:20:00.0"), 200)
    expect(binding["driver_override_error"] and binding["driver_override"] is None, "the override that cannot be read")
    client.ask("GET", "/v1/devices/0000:20:00.0", 200)
    problem = client.ask("PUT", BINDING.format("0000:20:00.0"), 409, VFIO, code="refused")
    expect("device.stuck" in codes(problem["blockers"]), "device.stuck")
    client.ask("PUT", BINDING.format("0000:21:00.0"), 200, VFIO)
    daemon.control("unblock sys/bus/pci/devices/0000:20:00.0/driver_override")
    client.ask("PUT", BINDING.format("0000:20:00.0"), 200, VFIO)
    config = "/v1/devices/0000:21:00.0/config"
    daemon.control("block sys/bus/pci/devices/0000:21:00.0/config")
    for _ in range(2):
        client.ask("GET", config, 503, code="overdue")
    daemon.control("unblock sys/bus/pci/devices/0000:21:00.0/config")
    shown = client.ask("GET", config, 200)
    expect(shown["complete"] and shown["size"] == 256 and shown["capabilities"] == [], "the configuration space")
    expect("\n00: 86 80 d3 10 " in client.ask("GET", config, 200, fields={"Accept": "text/plain"}), "its text")


def not_waiting(client, daemon):
    requests = [("PUT", BINDING.format("0000:20:00.0"), VFIO), ("DELETE", BINDING.format("0000:20:00.0"), None),
                ("PUT", OVERRIDE.format("0000:21:00.0"), VFIO), ("DELETE", OVERRIDE.format("0000:21:00.0"), None),
                ("POST", BINDINGS, {"items": [VFIO | {"device": "0000:25:00.0"}]}),
                ("POST", "/v1/drivers/vfio-pci/ids", {"vendor": "8086", "device": "beef"}),
                ("DELETE", "/v1/drivers/vfio-pci/ids?vendor=8086&device=beef", None)]
    for method, target, body in requests:
        operation = client.ask(method, target, 202, body, fields=ASYNC)
        wait_for(client, "/v1/operations/" + operation["id"], "succeeded")
    client.ask("PUT", BINDING.format("0000:22:00.0"), 202, VFIO, fields={"Prefer": "wait=0"})
    client.ask("PUT", BINDING.format("0000:23:00.0"), 200, VFIO, fields={"Prefer": "handling=lenient, wait=5"})
    daemon.control("block sys/bus/pci/drivers/e1000e/unbind 0000:24:00.0")
    client.ask("PUT", BINDING.format("0000:24:00.0"), 202, VFIO)
    daemon.control("unblock sys/bus/pci/drivers/e1000e/unbind 0000:24:00.0")


def ids(client, _):
    path = "/v1/drivers/vfio-pci/ids"
    expect(client.ask("POST", path + "?dry_run=true", 200, {"vendor": "8086", "device": "beef"})["would"] == "change", "dry run")
    done = client.ask("POST", path, 200, {"vendor": "8086", "device": "beef", "accept_risks": ["driver.id_captures"]})
    expect(done["changed"] and done["name"] == "vfio-pci", "the driver after it")
    client.ask("DELETE", path + "?vendor=8086&device=beef&dry_run=true", 200)
    client.ask("DELETE", path + "?vendor=8086&device=beef", 200)
    client.ask("DELETE", path + "?vendor=8086&device=beef", 409, code="bind_failed")
    client.ask("POST", path, 200, {"vendor": "0x8086", "device": "BEEF", "accept_risks": ["driver.id_captures"]})
    client.ask("DELETE", path + "?vendor=0X8086&device=BeeF", 200)
    for body, code in (({"vendor": "8086"}, "missing_field"), ({"vendor": "0x808", "device": "beef"}, "invalid_value"),
                       ({"vendor": "8086", "device": "BEEG"}, "invalid_value"), ({"vendor": 8086, "device": "beef"}, "invalid_value"),
                       ({"vendor": "8086", "device": "beef", "x": 1}, "unknown_field")):
        client.ask("POST", path, 400, body, code=code)
    client.ask("DELETE", path, 400, code="missing_field")
    client.ask("DELETE", path + "?vendor=8086&device=bee", 400, code="invalid_value")
    client.ask("POST", "/v1/drivers/%20/ids", 400, {"vendor": "8086", "device": "beef"}, code="invalid_name")


def operations(client, _):
    expect(client.ask("GET", "/v1/operations", 200)["items"] == [], "operations before the first change")
    names = []
    for bus in ("20", "21", "22"):
        names.insert(0, client.ask("PUT", BINDING.format(f"0000:{bus}:00.0"), 200, VFIO)["operation"])
    listed = ["/v1/operations/" + item["id"] for item in client.ask("GET", "/v1/operations", 200)["items"]]
    expect(listed == names, "the order is not the newest first")
    page = client.ask("GET", "/v1/operations?page_size=2&state=succeeded", 200)
    rest = client.ask("GET", "/v1/operations?state=succeeded&page_token=" + page["next_page_token"], 200)
    expect(len(page["items"]) == 2 and "/v1/operations/" + rest["items"][0]["id"] == names[2], "the pages")
    client.ask("GET", "/v1/operations?state=done", 400, code="invalid_value")
    client.ask("GET", "/v1/operations/nothing", 404, code="operation_not_found")


def wrong_bodies(client, _):
    path = BINDING.format("0000:20:00.0")
    cases = (({}, "missing_field", "/driver"), ({"drivr": "x", "driver": None}, "unknown_field", "/drivr"),
             ({"driver": 5}, "invalid_value", "/driver"), ({"driver": ""}, "invalid_value", "/driver"),
             ({"driver": "a/b"}, "invalid_value", "/driver"), ({"driver": ".."}, "invalid_value", "/driver"),
             ({"driver": "x", "scope": "all"}, "invalid_value", "/scope"), ({"driver": "x", "scope": None}, "invalid_value", "/scope"),
             ({"driver": "x", "method": "magic"}, "invalid_value", "/method"), ({"driver": None, "method": "new_id"}, "invalid_value", "/method"),
             ({"driver": "x", "accept_risks": "vfio.open"}, "invalid_value", "/accept_risks"),
             ({"driver": "x", "accept_risks": ["everything"]}, "invalid_value", "/accept_risks/0"),
             ({"driver": "x", "accept_risks": [1]}, "invalid_value", "/accept_risks"),
             ({"driver": "x", "accept_risks": ["vfio.open"] * 33}, "invalid_value", "/accept_risks"))
    for body, code, pointer in cases:
        problem = client.ask("PUT", path, 400, body, code=code)
        expect(problem["errors"][0]["pointer"] == pointer, f"{body}: the pointer is {problem['errors'][0]['pointer']}")
        expect(client.document.body_fault("/v1/devices/{bdf}/binding", "put", body), f"{body}: the contract allows it")
    problem = client.ask("PUT", path, 400, b'{"driver":null,"a~/b":1}', code="unknown_field")
    expect(problem["errors"][0]["pointer"] == "/a~0~1b", "the pointer is not escaped")
    client.ask("PUT", path, 400, b'{"driver":null,"driver":null}', code="duplicate_field")
    client.ask("PUT", path, 400, b"{", code="invalid_json")
    client.ask("PUT", path, 415, b"{}", fields={"Content-Type": "text/plain"}, code="unsupported_media_type")
    for body, code in (({}, "missing_field"), ({"driver": None}, "invalid_value"), ({"driver": "x y "}, "invalid_value"), ({"driver": "x", "scope": "group"}, "unknown_field")):
        client.ask("PUT", OVERRIDE.format("0000:20:00.0"), 400, body, code=code)
    client.ask("PUT", path + "?dry_run=yes", 400, VFIO, code="invalid_value")
    client.ask("DELETE", path + "?scope=all", 400, code="invalid_value")
    client.ask("DELETE", path + "?accept_risks=everything", 400, code="invalid_value")
    client.ask("DELETE", OVERRIDE.format("0000:20:00.0") + "?scope=device", 400, code="unknown_parameter")


def absent_devices(client, _):
    for path in (BINDING, OVERRIDE):
        client.ask("PUT", path.format("0000:99:00.0"), 404, VFIO, code="device_not_found")
        client.ask("DELETE", path.format("0000:99:00.0"), 404, code="device_not_found")
        client.ask("DELETE", path.format("99:00.0"), 400, code="invalid_address")
    client.ask("GET", "/v1/devices/0000:99:00.0", 404, code="device_not_found")
    client.ask("GET", BINDING.format("0000:99:00.0"), 404, code="device_not_found")
    client.ask("GET", "/v1/devices/0000:99:00.0/config", 404, code="device_not_found")


def callers(client, _):
    remote = client.over("tcp")
    for method, target, body in changes("0000:20:00.0"):
        remote.ask(method, target, 403, body, code="forbidden")
        remote.ask(method, target + ("&" if "?" in target else "?") + "dry_run=true", 200, body)
    absent = CLAIMS + "/93d68a43-dee6-494a-ab23-150570d6bc63"
    remote.ask("DELETE", absent, 404, code="claim_not_found")
    claim = client.ask("POST", CLAIMS, 201, {"devices": ["0000:20:00.0"]})
    for method, target, body in (("DELETE", f"{CLAIMS}/{claim['id']}", None), ("POST", absent + "/renew", {}), ("POST", absent + "/acknowledge", {})):
        remote.ask(method, target, 403, body, code="forbidden")
    client.ask("DELETE", f"{CLAIMS}/{claim['id']}", 200)
    remote.ask("GET", CLAIMS + "?page_size=5", 200)
    remote.ask("GET", "/v1/devices", 200)


def changes(address):
    return [("PUT", BINDING.format(address), VFIO), ("DELETE", BINDING.format(address), None), ("PUT", OVERRIDE.format(address), VFIO),
            ("DELETE", OVERRIDE.format(address), None), ("PUT", SRIOV.format(address), {"vfs": 0}), ("POST", BINDINGS, {"items": [VFIO | {"device": address}]}),
            ("POST", CLAIMS, {"devices": [address]}), ("POST", "/v1/drivers/vfio-pci/ids", {"vendor": "8086", "device": "beef"}),
            ("DELETE", "/v1/drivers/vfio-pci/ids?vendor=8086&device=beef", None)]


def regions(client, _):
    device = "/v1/devices/0000:20:00.0"
    for part in ("regions", "irqs"):
        passive = client.ask("GET", f"{device}/{part}", 200)
        expect(passive["source"] == "sysfs" and passive["complete"], "the passive answer")
        client.ask("GET", f"{device}/{part}?way=group", 400, code="unknown_parameter")
        client.ask("GET", f"/v1/devices/0000:99:00.0/{part}", 404, code="device_not_found")
    client.ask("POST", "/v1/devices/0000:99:00.0/probe", 404, {}, code="device_not_found")
    client.ask("POST", f"{device}/probe", 409, {}, code="not_bound_to_vfio")
    client.ask("POST", "/v1/devices/0000:16:00.0/probe", 409, {}, code="device_open")
    wrong_probes(client, "/v1/devices/0000:17:00.0/probe")
    for body in ({}, {"way": "auto"}, {"way": "group"}, {"way": "cdev"}):
        active = client.ask("POST", "/v1/devices/0000:17:00.0/probe", 200, body)
        expect(active["way"] == ("cdev" if body.get("way") == "cdev" else "group") and active["probe"]["region_count"] == 9, "the active answer")
        expect([len(active[part]) for part in ("regions", "irqs")] == [9, 5], active)
    bars = client.ask("GET", f"{device}/regions", 200)["regions"]
    expect([(bar["size"], bar["flags"]) for bar in bars[:3]] == [(131072, ["read", "write", "mmap"]), (0, []), (32, ["read", "write"])], bars[:3])


def failing_kernel(client, daemon):
    held, sick = (client.ask("POST", CLAIMS, 201, {"devices": [address]})["id"] for address in ("0000:31:00.0", "0000:32:00.0"))
    daemon.control("file sys/devices/pci0000:00/0000:32:00.0/config not-its-vendor")
    client.ask("DELETE", f"{CLAIMS}/{sick}", 200)
    daemon.control("fail-reads sys/bus/pci/drivers EIO")
    for path in ("/v1/drivers", "/v1/drivers/e1000e"):
        expect(client.ask("GET", path, 500, code="kernel_error")["errno"] == "EIO", "the errno")
    daemon.control("heal-reads")
    daemon.control("fail-reads sys/bus/pci/devices EIO")
    daemon.control("lose-uevents")
    for path in ("/v1/policies", "/v1/devices", "/v1/devices/0000:20:00.0", BINDING.format("0000:20:00.0"), "/v1/iommu-groups", "/v1/iommu-groups/2", "/v1/vfio",
                 SRIOV.format("0000:20:00.0"), "/v1/devices/0000:20:00.0/usage", "/v1/devices/0000:20:00.0/config", "/v1/devices/0000:20:00.0/regions", "/v1/devices/0000:20:00.0/irqs"):
        client.ask("GET", path, 500, code="kernel_error")
    probes = [("POST", "/v1/devices/0000:17:00.0/probe", {}), ("POST", "/v1/vfio/probe", {})]
    for method, target, body in changes("0000:20:00.0") + probes:
        client.ask(method, target, 500, body, code="kernel_error")
    for method, target, body in (("GET", CLAIMS, None), ("GET", f"{CLAIMS}/{held}", None), ("GET", f"{CLAIMS}/{held}/handover", None),
                                 ("POST", f"{CLAIMS}/{held}/renew", {}), ("POST", f"{CLAIMS}/{sick}/acknowledge", {}),
                                 ("DELETE", f"{CLAIMS}/{held}?when_closed=true", None)):
        client.ask(method, target, 500, body, code="kernel_error")
    daemon.control("heal-reads")
    client.ask("GET", "/v1/devices", 200)


def a_bug(client, daemon):
    for failure, thrown in (("throw", "asked for by the test"), ("throw-later", "later, for the test"), ("forget", "")):
        daemon.control("fail-next " + failure)
        client.ask("GET", "/v1/devices", 500, code="internal_error")
        expect(daemon.control("caught") == thrown, failure)
        client.ask("GET", "/v1/devices", 200)
    daemon.control("fail-next answer-twice")
    with daemon.connect() as connection:
        connection.send(request_bytes("GET", "/v1/devices"))
        first = connection.answer()
        connection.send(request_bytes("GET", "/healthz"))
        second = connection.answer()
        expect((first.status, second.status) == (404, 200), f"{first.status}, {second.status}")
        expect(first.fields["request-id"] != second.fields["request-id"], "the second answer to a request came for the next one")


def finished_bodies(client, daemon):
    """What was sent is not kept for as long as its sender would have waited for the answer."""
    def resident():
        with open(f"/proc/{daemon.process.pid}/status", encoding="ascii") as status:
            return next(int(line.split()[1]) for line in status if line.startswith("VmRSS:"))

    def both_ways(rounds):
        with daemon.connect() as connection:
            for _ in range(rounds):
                for driver in ("vfio-pci", "e1000e"):
                    body = json.dumps({"driver": driver}).encode() + b" " * 60000
                    connection.send(request_bytes("PUT", BINDING.format("0000:20:00.0"), {"Content-Type": "application/json", "Prefer": "wait=300"}, body))
                    expect(connection.answer().status == 200, "the change")
    with open(f"/proc/{daemon.process.pid}/maps", encoding="utf-8", errors="replace") as maps:
        if re.search("lib[at]san", maps.read()):
            return  # a sanitizer keeps what is freed
    both_ways(20)
    before = resident()
    both_ways(100)
    expect(resident() - before < 6000, f"{resident() - before} kB are kept of 200 requests with 12 MB of bodies")


FDS_AS_ANOTHER = """
import socket, sys
stream = socket.socket(socket.AF_UNIX)
stream.connect(sys.argv[1])
stream.sendall(f"POST /v1/claims/{sys.argv[2]}/fds HTTP/1.1\\r\\nHost: x\\r\\nContent-Type: application/json\\r\\nContent-Length: 2\\r\\n\\r\\n{{}}".encode())
print(stream.recv(65536).split()[1].decode())
"""


def group_owners(client, daemon):
    """A claim's descriptors are for its groups too, whichever of a caller's groups it is."""
    expect(os.geteuid() == 0, "this test becomes other users, and needs root for it")
    os.chmod(daemon.directory, 0o755)
    os.chmod(daemon.path, 0o666)
    claim = client.ask("POST", CLAIMS, 201, {"devices": ["0000:33:00.0"], "owner": {"groups": [5151]}})

    def status(group, extra):
        return subprocess.run([sys.executable, "-c", FDS_AS_ANOTHER, daemon.path, claim["id"]], user=4242, group=group, extra_groups=extra,
                              check=True, capture_output=True, text=True, cwd="/").stdout.strip()
    expect([status(5151, []), status(4242, [7, 5151]), status(4242, [7])] == ["200", "200", "403"], "group owners")


def damaged_rows(client, daemon):
    client.ask("PUT", BINDING.format("0000:10:00.0"), 409, VFIO)
    client.ask("POST", CLAIMS, 409, {"selector": {"vendor": "1234"}}, code="not_enough_devices")
    before = client.ask("GET", "/v1/audit", 200)["items"]
    expect("claim" not in before[0]["request"], "a claim that was refused has no name")
    damaged = ('{"at":"2026', "null", "[]", '{"at":1}', '{"at":"x","event":"refused"}', "\xc3", '"text"')
    for document in damaged:
        daemon.control("audit " + document)
    last = before[0]["id"] + len(damaged)
    whole = client.ask("GET", "/v1/audit", 200)
    expect(whole["items"] == before and [row["id"] for row in whole["damaged"]] == list(range(last, before[0]["id"], -1)), whole)
    expect(all(row["reason"] for row in whole["damaged"]), whole["damaged"])
    expect(client.ask("GET", "/v1/audit", 200)["damaged"] == [], "they are kept aside")
    table = client.ask("GET", "/v1/audit", 200, fields={"Accept": "text/plain"})
    expect(len(table.splitlines()) > len(before), table)
    checks = {check["id"]: check for check in client.ask("GET", "/v1/doctor", 200)["checks"]}
    expect(checks["state.damaged"]["verdict"] == "warn" and f"audit {last} (" in checks["state.damaged"]["detail"], checks["state.damaged"])
    client.ask("PUT", BINDING.format("0000:10:00.0"), 409, VFIO)
    expect(client.ask("GET", "/v1/audit?page_size=1", 200)["items"][0]["id"] == last + 1, "the audit goes on")


def stopping(client, daemon):
    daemon.control("stop-accepting")
    for method, target, body in changes("0000:20:00.0"):
        client.ask(method, target, 503, body, code="shutting_down")
    client.ask("POST", "/v1/devices/0000:17:00.0/probe", 503, {}, code="shutting_down")
    client.ask("GET", "/v1/devices", 200)


ALL = (service, read_only_sysfs, devices, filters, overrides_in_the_list, pages, text, bytes_of_others, groups, host, drivers, reads_change_nothing, bind_and_give_back, other_tools, other_changes, whole_groups, transactions, claims, claims_without_waiting, claims_by_selector, locked_memory, descriptors, wrong_claims, policies, incomplete_operation, virtual_functions, cordons, refusals, expectations, audit, usage, failures, blocked,
       busy_kernel, not_waiting, ids, operations, wrong_bodies, absent_devices, callers, regions, failing_kernel, a_bug, finished_bodies, group_owners, damaged_rows, long_texts, stopping)
