#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Every subcommand of devbindctl against the contract daemon: output, exit status, the API's bytes, terminals.
Usage: run.py DEVBINDCTL CONTRACT_DAEMON CLIENTS_UNIT_TESTS"""

import json
import os
import pathlib
import re
import shlex
import subprocess
import sys

import yaml

sys.dont_write_bytecode = True
HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "contract"))

from harness import PATIENCE, Daemon, Report, request_bytes, wait_until  # noqa: E402
from terminal import on_terminal  # noqa: E402

DONE, ERROR, NOTHING, REFUSED, BLOCKED = range(5)
ESCAPE = re.compile(r"\033\[[0-9;]*m")
UNBIND = "sys/bus/pci/drivers/e1000e/unbind"


class Ended:
    def __init__(self, done):
        self.status, self.out, self.err = done.returncode, done.stdout, done.stderr

    def __repr__(self):
        return f"exit {self.status}\n--- out\n{self.out}\n--- err\n{self.err}"


class Program:
    """devbindctl with a daemon."""

    def __init__(self, path, daemon):
        self.path = path
        self.daemon = daemon
        kept = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "COLUMNS")}
        self.environment = kept | {"DEVBINDD_SOCKET": daemon.path, "TERM": "xterm", "LC_ALL": "C.UTF-8"}

    def __call__(self, *words, before=()):
        return Ended(subprocess.run([*before, self.path, *words], capture_output=True, text=True, env=self.environment,
                                    stdin=subprocess.DEVNULL, timeout=6 * PATIENCE))

    def ends(self, status, *words, before=()):
        ended = self(*words, before=before)
        expect(ended.status == status, f"{' '.join(words)}: not {status}: {ended}")
        return ended

    def start(self, *words):
        return subprocess.Popen([self.path, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=self.environment)

    def on_terminal(self, columns, *words, typed="", **variables):
        return on_terminal([self.path, *words], columns, self.environment | variables, typed)

    def api(self, method, target, body=None, **fields):
        """The answer's body, by a connection of the test's own."""
        data = b"" if body is None else json.dumps(body).encode()
        fields = {name.replace("_", "-"): value for name, value in fields.items()} | ({"Content-Type": "application/json"} if data else {})
        with self.daemon.connect() as connection:
            connection.send(request_bytes(method, target, fields, data))
            return connection.answer().body.decode()


def expect(holds, what):
    if not holds:
        raise AssertionError(what)


def has(text, *parts):
    for part in parts:
        expect(part in text, f"{part!r} is not in:\n{text}")


def table_of(text):
    lines = text.splitlines()
    return lines[0].split(), [line.split() for line in lines[1:]]


# ---- what there is

def json_is_the_api_s(ctl):
    ctl.ends(DONE, "bind", "20:00.0")
    made = json.loads(ctl.ends(DONE, "claim", "21:0", "-o", "json").out)
    operation = json.loads(ctl.api("GET", "/v1/operations"))["items"][0]["id"]
    for words, target in ((("status",), "/v1/devices"), (("status", "-f", "driver=vfio-pci"), "/v1/devices?driver=vfio-pci"),
                          (("show", "5:0"), "/v1/devices/0000:05:00.0"), (("show", "2"), "/v1/iommu-groups/2"),
                          (("show", made["id"]), f"/v1/claims/{made['id']}"), (("claims",), "/v1/claims"), (("operations",), "/v1/operations"),
                          (("operations", operation), f"/v1/operations/{operation}"), (("audit",), "/v1/audit"),
                          (("audit", "20:0"), "/v1/audit?device=0000:20:00.0"), (("policy",), "/v1/policies"), (("doctor",), "/v1/doctor"),
                          (("sriov", "15:0"), "/v1/devices/0000:15:00.0/sriov")):
        answer = ctl.api("GET", target)
        shown = ctl.ends(DONE, *words, "-o", "json").out
        expect(shown == answer, f"{words}: {shown[:300]} is not {answer[:300]}")
        as_yaml = yaml.safe_load(ctl.ends(DONE, "-o", "yaml", *words).out)
        expect(as_yaml == json.loads(answer), f"{words} as YAML: {as_yaml}")
    problem = json.loads(ctl.ends(ERROR, "show", "99:0", "-o", "json").out)
    expect(problem["code"] == "device_not_found", problem)


def lists_of_several_pages(ctl):
    shown = ctl.ends(DONE, "status", "-f", "page_size=5", "-o", "json").out.splitlines()
    expect(len(shown) > 3 and all(len(json.loads(line)["items"]) <= 5 for line in shown), shown)
    names = ctl.ends(DONE, "status", "-f", "page_size=5", "-o", "name").out.splitlines()
    expect(names == ctl.ends(DONE, "status", "-o", "name").out.splitlines() and "0000:39:00.0" in names, names)


def tables(ctl):
    heads, rows = table_of(ctl.ends(DONE, "status").out)
    expect(heads == ["ADDRESS", "DRIVER", "GROUP", "STATE", "IF", "DEVICE"], heads)
    expect(["0000:06:00.0", "e1000e", "6", "in", "use", "eth1"] in [row[:6] for row in rows], rows)
    wide = ctl.ends(DONE, "status", "-o", "wide", "5:0").out
    has(wide, "8086:10d3", "NUMA", "Ethernet controller")
    expect(ctl.ends(DONE, "status", "5:0", "eth1", "-o", "name").out == "0000:05:00.0\n0000:06:00.0\n", "two devices")
    has(ctl.ends(DONE, "show", "5:0").out, "0000:05:00.0  82574L Gigabit Network Connection", "e1000e; fits: vfio-pci", "IOMMU group   1", "nothing that was seen")
    has(ctl.ends(DONE, "show", "eth1").out, "net.default_route", "The default route leaves through eth1")
    has(ctl.ends(DONE, "show", "group:2").out, "Viable        no", "0000:11:00.1", "BRIDGE")
    has(ctl.ends(DONE, "policy").out, "node-0", "pool=vm,rack=7", "0000:05:00.0 pending")
    has(ctl.ends(DONE, "doctor").out, "[ ok ] Kernel version", "[warn]", "       -> ")
    has(ctl.ends(DONE, "claims").err, "There are no claims.")


def a_fit_host_or_not(ctl):
    ctl.daemon.control("file proc/self/mountinfo 22 26 0:21 / /sys ro,nosuid - sysfs sysfs ro\\n")
    has(ctl.ends(ERROR, "doctor").out, "[FAIL]")


def names(ctl):
    for word in ("0000:05:00.0", "05:00.0", "5:0", "eth0"):
        expect(ctl.ends(DONE, "show", word, "-o", "name").out == "0000:05:00.0\n", word)
    ctl.daemon.control("file fake/alternative_names eth0 enp5s0\\n")
    has(ctl.ends(ERROR, "show", "eth77").err, "Nothing on this host is called eth77", "devbindctl status")
    has(ctl.ends(ERROR, "show", "99:0").err, "There is no PCI device at 0000:99:00.0", "device_not_found")
    has(ctl.ends(ERROR, "release", "deadbeef").err, "There is no claim deadbeef")
    has(ctl.ends(ERROR, "sriov", "2", "1").err, "2 is no device")


def alternative_names(ctl):
    expect(ctl.ends(DONE, "show", "enp6s0", "-o", "name").out == "0000:06:00.0\n", "an alternative name")


def follows_events(ctl):
    process = ctl.start("events", "20:0", "--kind", "device.changed", "-c", "1", "-o", "json", "--since", "0-0")
    first = json.loads(process.stdout.readline())  # the stream has begun
    expect(first["kind"] == "resync" and process.wait(PATIENCE) == DONE, first)
    process = ctl.start("events", "group:64", "-c", "2", "--since", "0-0")
    has(process.stdout.readline(), "resync")
    ctl.ends(DONE, "bind", "20:0")
    line = process.stdout.readline()
    expect(process.wait(PATIENCE) == DONE, "it ends")
    has(line, "device.changed", "0000:20:00.0", "driver e1000e -> vfio-pci")


# ---- what changes something

def binds_and_gives_back(ctl):
    has(ctl.ends(DONE, "bind", "20:00.0").out, "0000:20:00.0  vfio-pci  64     e1000e  /dev/vfio/64")
    expect(ctl.daemon.control("binding 0000:20:00.0") == "vfio-pci override vfio-pci", "the kernel")
    has(ctl.ends(NOTHING, "bind", "20:00.0").err, "Nothing to do")
    expect(json.loads(ctl.ends(NOTHING, "bind", "20:00.0", "-o", "json").out)["changed"] is False, "as the API answers")
    has(ctl.ends(DONE, "release", "20:0").out, "e1000e")
    has(ctl.ends(NOTHING, "release", "17:0").err, "nothing_to_restore")
    ctl.ends(DONE, "bind", "20:0", "-d", "none")
    expect(json.loads(ctl.api("GET", "/v1/devices/0000:20:00.0/binding"))["driver"] is None, "it has a driver")
    ctl.ends(DONE, "release", "20:0")


def several_at_once(ctl):
    _, rows = table_of(ctl.ends(DONE, "bind", "20:0", "group:65", "-d", "vfio-pci").out)
    expect([row[:2] for row in rows] == [["0000:20:00.0", "vfio-pci"], ["0000:21:00.0", "vfio-pci"]], rows)
    ctl.ends(DONE, "release", "20:0", "21:0")
    refused = ctl.ends(REFUSED, "bind", "20:0", "eth1")
    has(refused.err, "net.default_route")
    expect(ctl.daemon.control("binding 0000:20:00.0").startswith("e1000e"), "all or nothing")
    _, rows = table_of(ctl.ends(DONE, "bind", "eth2", "-g").out)
    expect([row[0] for row in rows] == ["0000:11:00.0", "0000:11:00.1"], rows)


def a_plan_changes_nothing(ctl):
    before = ctl.daemon.control("touched")
    has(ctl.ends(DONE, "bind", "20:0", "--dry-run").out, "echo vfio-pci > /sys/bus/pci/devices/0000:20:00.0/driver_override",
        "echo 0000:20:00.0 > /sys/bus/pci/drivers/e1000e/unbind")
    has(ctl.ends(NOTHING, "bind", "5:0", "-d", "e1000e", "-n").out, "Nothing would be done")
    has(ctl.ends(REFUSED, "bind", "6:0", "-n").out, "It would be refused", "net.default_route")
    has(ctl.ends(DONE, "sriov", "15:0", "0", "-n").out, "sriov_numvfs")
    ctl.ends(DONE, "claim", "20:0", "-n")
    ctl.ends(DONE, "run", "20:0", "-n", "--", "false")
    expect(json.loads(ctl.ends(DONE, "bind", "20:0", "-n", "-o", "json").out)["would"] == "change", "as the API answers")
    expect(ctl.daemon.control("touched") == before, "something was written")


def refusals_and_risks(ctl):
    refused = ctl.ends(REFUSED, "bind", "6:0")
    has(refused.err, "Refused: nothing was changed.", "net.default_route", "The default route leaves through eth1", "-> Move the route",
        "To go on all the same: --accept net.default_route")
    expect(refused.out == "", refused)
    has(ctl.ends(REFUSED, "bind", "6:0", "--accept", "net.default_route").err, "nobody can be asked here: say --yes", "leaves through eth1")
    expect(ctl.daemon.control("binding 0000:06:00.0").startswith("e1000e"), "it was not asked")
    ctl.ends(DONE, "bind", "6:0", "--accept", "net.default_route", "--yes")
    expect(ctl.daemon.control("binding 0000:06:00.0").startswith("vfio-pci"), "accepted")
    expect(json.loads(ctl.ends(REFUSED, "bind", "16:0", "-d", "e1000e", "-o", "json").out)["code"] == "refused", "json")
    has(ctl.ends(REFUSED, "bind", "16:0", "-d", "e1000e").err, "vfio.open", "qemu-system-x86 (pid 4711", "hang")


def failures(ctl):
    ctl.daemon.control("refuse-probe vfio-pci 0000:20:00.0 EIO")
    has(ctl.ends(ERROR, "bind", "20:0").err, "bind_failed", "(EIO)", "What was there before is back.")
    shown = ctl.ends(ERROR, "bind", "20:0", "--progress").err
    has(shown, "[1/3] echo vfio-pci", "done", "failed", "(EIO)", "What was there before is back.")


def progress(ctl):
    shown = ctl.ends(DONE, "bind", "20:0", "--progress")
    steps = [line for line in shown.err.splitlines() if line.startswith("[")]
    expect([step[:5] for step in steps] == ["[1/3]", "[2/3]", "[3/3]"] and all(step.endswith("  done") for step in steps), shown)
    has(shown.out, "0000:20:00.0  vfio-pci  64     e1000e  /dev/vfio/64")


def blocked(ctl):
    ctl.daemon.control(f"block {UNBIND} 0000:24:00.0")
    shown = ctl.ends(BLOCKED, "bind", "24:0", "--wait", "0")
    has(shown.err, "The operation goes on by itself: devbindctl operations ")
    identifier = re.search(r"operations ([0-9a-f-]{36})", shown.err).group(1)
    has(ctl.ends(REFUSED, "bind", "24:0").err, "operation_in_progress")
    wait_until(lambda: "blocked" in ctl.api("GET", f"/v1/operations/{identifier}"))
    has(ctl.ends(DONE, "operations", identifier).out, "blocked", "The kernel waits for")
    has(ctl.ends(DONE, "operations", identifier[:8]).out, "blocked", "The kernel waits for")
    has(ctl.ends(DONE, "operations").out, identifier[:8])
    has(ctl.ends(ERROR, "operations", "frobnicate").err, "frobnicate is no operation: give its id")
    has(ctl.ends(ERROR, "operations", "deadbeef").err, "There is no operation deadbeef")
    ctl.daemon.control(f"unblock {UNBIND} 0000:24:00.0")
    ctl.daemon.control(f"block {UNBIND} 0000:25:00.0")
    process = ctl.start("bind", "25:0", "--progress")
    has(process.stderr.readline(), "[1/3]", "done")
    has(process.stderr.readline(), "[2/3]", "blocked")
    has(process.stderr.readline(), "The kernel waits for")
    ctl.daemon.control(f"unblock {UNBIND} 0000:25:00.0")
    rest = process.communicate(timeout=PATIENCE)
    expect(process.returncode == DONE and "[3/3]" in rest[1], rest)


def virtual_functions(ctl):
    has(ctl.ends(DONE, "sriov", "15:0").out, "0000:15:00.0 has 2 of 7 virtual functions.", "0000:15:10.2")
    has(ctl.ends(REFUSED, "sriov", "15:0", "3").err, "nobody can be asked", "The 2 virtual functions of 0000:15:00.0 go first")
    _, rows = table_of(ctl.ends(DONE, "sriov", "15:0", "3", "-d", "vfio-pci", "-y").out)
    expect(len(rows) == 3 and all(row[1] == "vfio-pci" for row in rows), rows)
    has(ctl.ends(DONE, "sriov", "15:0", "0", "--yes").err, "0000:15:00.0 has 0 virtual functions.")
    has(ctl.ends(DONE, "sriov", "15:0").out, "has 0 of 7")
    has(ctl.ends(ERROR, "sriov", "15:0", "many").err, "COUNT")


# ---- claims

def claims(ctl):
    made = ctl.ends(DONE, "claim", "21:0", "--ttl", "5m", "-u", "1000", "-l", "vm=42").out
    identifier = re.match(r"Claim ([0-9a-f-]{36}) is active until ", made).group(1)
    has(made, "0000:21:00.0  vfio-pci")
    request = json.loads(ctl.api("GET", f"/v1/claims/{identifier}"))
    expect((request["request"]["ttl_seconds"], request["request"]["owner"]["uids"], request["labels"]) == (300, [1000], {"vm": "42"}), request)
    expect(ctl.ends(DONE, "claims", "-f", "label=vm=42", "-o", "name").out == identifier + "\n", "by label")
    has(ctl.ends(DONE, "claims").out, identifier[:8], "active", "1000")
    has(ctl.ends(DONE, "show", identifier[:8]).out, "Claim " + identifier, "/dev/vfio/65")
    has(ctl.ends(DONE, "renew", identifier[:8], "--ttl", "2h").out, "is active until ")
    expect(json.loads(ctl.ends(DONE, "renew", identifier[:8], "-o", "json").out)["id"] == identifier, "json")
    expect(ctl.ends(DONE, "handover", identifier[:8], "-F", "qemu").out == "-device vfio-pci,host=0000:21:00.0\n", "qemu")
    expect(ctl.ends(DONE, "handover", identifier).out == ctl.api("GET", f"/v1/claims/{identifier}/handover?format=env"), "env")
    has(ctl.ends(REFUSED, "release", "21:0").err, "claim.held")
    has(ctl.ends(DONE, "release", identifier[:8]).out, "is released")
    expect(ctl.daemon.control("binding 0000:21:00.0").startswith("e1000e"), "given back")


def service(ctl):
    has(ctl.ends(DONE, "cordon", "20:0", "21:0", "--reason", "to be replaced").out, "0000:20:00.0 is cordoned", "0000:21:00.0 is cordoned")
    has(ctl.ends(DONE, "show", "21:0").out, "Cordon        to be replaced")
    has(ctl.ends(REFUSED, "claim", "20:0").err, "device.cordoned", "to be replaced", "devbindctl uncordon 0000:20:00.0")
    expect(ctl.ends(DONE, "uncordon", "20:0", "-o", "name").out == "0000:20:00.0\n", "its name")
    made = ctl.ends(DONE, "claim", "20:0").out
    identifier = re.match(r"Claim ([0-9a-f-]{36})", made).group(1)
    has(ctl.ends(ERROR, "acknowledge", identifier).err, "claim_not_active")
    ctl.daemon.control("file sys/devices/pci0000:00/0000:20:00.0/config not-its-vendor")
    has(ctl.ends(DONE, "release", identifier).out, "is quarantined")
    has(ctl.ends(REFUSED, "claim", "20:0").err, "devbindctl acknowledge " + identifier)
    has(ctl.ends(DONE, "acknowledge", identifier[:8]).out, "is released: its devices are free.")
    has(ctl.ends(ERROR, "uncordon", "99:0").err, "device_not_found")
    expect(json.loads(ctl.ends(DONE, "cordon", "22:0", "-o", "json").out)["cordon"]["reason"] is None, "without a reason")


def claims_by_selector(ctl):
    made = json.loads(ctl.ends(DONE, "claim", "-s", "vendor=8086", "-s", "driver=e1000e", "-s", "driver=igb", "-c", "2", "-o", "json").out)
    expect(len([device for device in made["devices"] if not device["companion"]]) == 2, made)
    expect(made["request"]["selector"]["driver"] == ["e1000e", "igb"] and made["request"]["driver"] == "auto", made)
    both = json.loads(ctl.ends(DONE, "claim", "-s", "vendor=8086,10de,driver=e1000e", "-o", "json").out)
    expect(both["request"]["selector"] == made["request"]["selector"] | {"vendor": ["8086", "10de"], "driver": "e1000e", "count": 1}, both)
    few = ctl.ends(REFUSED, "claim", "-s", "vendor=1af4")
    has(few.err, "not_enough_devices", "Devices that fit: 0")
    has(ctl.ends(ERROR, "claim").err, "Name the devices, or select them")
    has(ctl.ends(ERROR, "claim", "5:0", "-s", "vendor=8086").err, "not both")
    has(ctl.ends(ERROR, "claim", "-s", "vendor").err, "NAME=VALUE is wanted, and not vendor")


class Apart:
    """run in a PID namespace of its own, where its child's number is known: the contract daemon knows the processes that it is told of."""

    def __init__(self, ctl):
        self.ctl = ctl
        ctl.daemon.control("process 2")

    def ends(self, status, *words):
        return self.ctl.ends(status, *words, before=("unshare", "--user", "--map-root-user", "--pid", "--fork", "--kill-child"))


def runs_a_command(ctl):
    apart = Apart(ctl)
    script = 'echo $LISTEN_FDS $LISTEN_FDNAMES $DEVBINDD_WAY $DEVBINDD_DEVICES; test $LISTEN_PID = $$ && readlink /proc/self/fd/3 /proc/self/fd/4; cat <&4; exit 7'
    done = apart.ends(7, "run", "20:0", "--descriptors", "group", "--", "sh", "-c", script, "{fd:group}")
    lines = done.out.splitlines()
    expect(lines[0] == "2 container:group group 0000:20:00.0" and lines[3] == "/dev/vfio/64" and "memfd" in lines[1], done)
    expect(ctl.daemon.control("binding 0000:20:00.0").startswith("e1000e"), "given back")
    values = apart.ends(DONE, "run", "20:0", "--", "echo", "{device}", "{fd:container}", "{fd:group}").out
    expect(values == "0000:20:00.0 3 4\n", values)
    expect(apart.ends(DONE, "run", "20:0", "--", "echo", "{qemu}").out == "-device vfio-pci,host=0000:20:00.0\n", "words of a handover")
    expect(apart.ends(DONE, "run", "20:0", "--descriptors", "none", "--", "sh", "-c", "test -e /proc/self/fd/3; echo $? ${LISTEN_FDS-none}").out == "1 none\n", "none")
    has(apart.ends(127, "run", "20:0", "--", "no-such-program").err, "no-such-program: No such file")
    expect(apart.ends(137, "run", "20:0", "--", "sh", "-c", "kill -9 $$").out == "", "killed")
    has(apart.ends(REFUSED, "run", "6:0", "--", "true").err, "net.default_route")
    has(ctl.ends(ERROR, "run", "20:0").err, "No command was named")
    expect([claim["state"] for claim in json.loads(ctl.api("GET", "/v1/claims"))["items"] if claim["state"] not in ("released",)] == [], "a claim is left")


def runs_with_locked_memory(ctl):
    apart = Apart(ctl)
    ctl.daemon.control("file proc/2/limits Max locked memory 65536 8388608 bytes")
    ctl.daemon.control("file proc/2/comm devbindctl")
    ctl.daemon.control("file proc/2/status Uid:\\t0\\nVmLck:\\t0 kB\\nCapEff:\\t0000000000000000")
    if os.geteuid() == 0:
        done = ctl.ends(DONE, "run", "20:0", "-m", "1M", "--", "sh", "-c", "ulimit -S -l", before=("prlimit", "--memlock=65536:", "unshare", "--pid", "--fork", "--kill-child"))
        expect(done.out == "1024\n", done)
    has(apart.ends(ERROR, "run", "20:0", "-m", "lots", "--", "true").err, "a size such as 512M")


# ---- what other tools call these

def as_devbind(ctl):
    expect(ctl.ends(DONE, "devbind", "-s").out == ctl.api("GET", "/v1/devices", Accept="text/plain"), "the status")
    network = ctl.ends(DONE, "devbind", "--status-dev", "net").out
    expect(network and network in ctl.ends(DONE, "devbind", "--status").out, network)
    titles = [line for line in network.splitlines() if line.endswith("driver") or line.startswith("Other")]
    expect(titles and all("Network" in title for title in titles), titles)
    expect("No 'Regex' devices detected" in ctl.ends(DONE, "devbind", "--status-dev", "regex").out, "none")
    ctl.ends(DONE, "devbind", "-b", "vfio-pci", "20:00.0", "21:00.0")
    expect(all(ctl.daemon.control(f"binding 0000:{bus}:00.0").startswith("vfio-pci") for bus in (20, 21)), "both")
    has(ctl.ends(NOTHING, "devbind", "--bind=vfio-pci", "20:00.0").err, "Notice: 0000:20:00.0 already bound to driver vfio-pci, skipping")
    ctl.ends(DONE, "devbind", "-u", "2[01]:00.*")
    ctl.ends(NOTHING, "devbind", "-b", "none", "20:00.0")
    has(ctl.ends(REFUSED, "devbind", "-b", "vfio-pci", "eth1").err, "net.default_route")
    has(ctl.ends(DONE, "devbind", "--force", "-b", "vfio-pci", "eth1").err, "--force accepts these risks:", "net.default_route")
    has(ctl.ends(ERROR, "devbind").err, "No action was named")
    has(ctl.ends(ERROR, "devbind", "-b", "vfio-pci").err, "No devices were named")
    has(ctl.ends(ERROR, "devbind", "-b", "x", "-u", "20:0").err, "excludes")


def as_driverctl(ctl):
    lines = ctl.ends(DONE, "driverctl", "list-devices").out.splitlines()
    expect("0000:13:00.0 (none)" in lines and "0000:16:00.0 vfio-pci [*]" in lines and "0000:05:00.0 e1000e" in lines, lines)
    expect(all("nvme" in line for line in ctl.ends(DONE, "driverctl", "list-devices", "storage").out.splitlines()), "storage")
    ctl.ends(DONE, "driverctl", "set-override", "0000:20:00.0", "vfio-pci")
    has(ctl.ends(DONE, "driverctl", "list-overrides").out, "0000:20:00.0 vfio-pci\n")
    has(ctl.ends(DONE, "driverctl", "-v", "list-overrides").out, "0000:20:00.0 vfio-pci (82574L Gigabit Network Connection)\n")
    ctl.ends(DONE, "driverctl", "unset-override", "0000:20:00.0")
    expect("0000:20:00.0" not in ctl.ends(DONE, "driverctl", "list-overrides").out, "it is unset")


# ---- the program itself

def helps(ctl):
    top = ctl.ends(DONE, "--help").out
    has(top, "Exit status: 0 done, 1 error, 2 nothing to do, 3 refused, 4 blocked", "devbind", "driverctl")
    for name in re.findall(r"^  ([a-z]+)[ ,]", top.split("Subcommands:")[1], re.M):
        has(ctl.ends(DONE, name, "--help").out, "Usage: devbindctl " + name)
    has(ctl.ends(DONE, "watch", "--help").out, "Usage: devbindctl events")
    has(ctl.ends(DONE, "-o", "name", "show", "5:0").out, "0000:05:00.0")  # options may stand before the subcommand
    has(ctl.ends(ERROR, "status", "bind").err, "Nothing on this host is called bind")
    has(ctl.ends(DONE, "--version").out, "devbindctl ")
    for words in ((), ("frobnicate",), ("bind",), ("bind", "5:0", "--frob"), ("-o", "xml", "status"), ("--wait", "1w", "status")):
        expect(ctl.ends(ERROR, *words).err, words)
    has(ctl.ends(ERROR, "frobnicate").err, "There is no subcommand frobnicate")


def says_who_one_is(ctl):
    text = ctl.ends(DONE, "whoami").out
    for part in ("You are user root (uid 0)", "Role: admin, by root", "Rights: service, own_claims, read, claim, operate, administer",
                 "Devices: all", "Claims: ", "no limit"):
        has(text, part)
    has(ctl.ends(DONE, "whoami", "-o", "json").out, '"role":"admin"')


def completes(ctl):
    for words, wanted in ((("bi",), "bind"), (("bind", "0000:2"), "0000:20:00.0"), (("bind", "20:"), "20:00.0"), (("bind", "et"), "eth0"),
                          (("bind", "-d", "vf"), "vfio-pci"), (("bind", "--dr"), "--driver"), (("-o", "ya"), "yaml"),
                          (("driverctl", "set"), "set-override"), (("completion", "ba"), "bash"), (("devbind", "--status-dev", "n"), "net")):
        found = ctl.ends(DONE, "__complete", *words).out.splitlines()
        expect(wanted in found and all(name.startswith(words[-1]) for name in found), f"{words}: {found}")
    for shell in ("bash", "zsh", "fish"):
        has(ctl.ends(DONE, "completion", shell).out, "devbindctl __complete")
    line = ("source <(devbindctl completion bash); COMP_WORDS=(devbindctl bind 0000:20); COMP_CWORD=2; _devbindctl; echo ${COMPREPLY[@]}")
    done = subprocess.run(["bash", "-c", line], capture_output=True, text=True,
                          env=ctl.environment | {"PATH": f"{os.path.dirname(os.path.abspath(ctl.path))}:{os.environ['PATH']}"})
    expect(done.stdout.strip() == "0000:20:00.0", done)
    absent = Ended(subprocess.run([ctl.path, "__complete", "bind", "0"], capture_output=True, text=True,
                                  env=ctl.environment | {"DEVBINDD_SOCKET": "/nonexistent"}))
    expect((absent.status, absent.out, absent.err) == (DONE, "", ""), absent)


def without_a_daemon(ctl):
    has(ctl.ends(ERROR, "--socket", "/nonexistent", "status").err, "devbindd does not answer at /nonexistent", "systemctl status devbindd")
    if os.geteuid() != 0:
        return
    os.chmod(ctl.daemon.directory, 0o755)
    os.chmod(ctl.daemon.path, 0o600)
    refused = subprocess.run([ctl.path, "status"], capture_output=True, text=True, env=ctl.environment, user=65534, extra_groups=[])
    expect(refused.returncode == ERROR, refused)
    has(refused.stderr, "You may not open", "group devbindd")


def pages_use_options_that_there_are(ctl):
    """Each line of devbindctl in the pages' shell examples gets as far as asking the daemon."""
    root = pathlib.Path(__file__).resolve().parents[2]
    lines = [line for page in sorted(root.glob("docs/*.md")) for block in re.findall(r"(?ms)^```sh(?: ours)?\n(.*?)^```$", page.read_text())
             for line in re.findall(r'devbindctl (?:"\$claim"|[^|#;)$\n])*+(?!\$)', block)]
    expect(len(lines) > 15, lines)
    for line in lines:
        words = shlex.split(line.replace('"$claim"', "12345678").replace("CLAIM", "12345678"))[1:]
        ended = ctl.ends(ERROR, "--socket", "/nonexistent", "--yes", *words)
        has(ended.err, "devbindd does not answer at /nonexistent")


def on_terminals(ctl):
    for columns in (80, 200):
        for words in (("status",), ("show", "5:0"), ("show", "eth1"), ("doctor",), ("bind", "16:0", "-d", "e1000e"), ("policy",), ("claim", "20:0", "--ttl", "5m"), ("claims",), ("operations",), ("audit",)):
            _, shown = ctl.on_terminal(columns, *words, typed="n\n")
            widths = [len(ESCAPE.sub("", line)) for line in shown.splitlines()]
            expect(widths and max(widths) <= columns, f"{words} at {columns}: {max(widths)}\n{shown}")
    narrow, wide = (ctl.on_terminal(columns, "doctor")[1] for columns in (80, 200))
    expect(len(narrow.splitlines()) > len(wide.splitlines()), "80 and 200 columns look the same")
    expect(ESCAPE.search(wide), "no colour on a terminal")
    for variables in ({"NO_COLOR": "1"}, {"TERM": "dumb"}):
        expect(not ESCAPE.search(ctl.on_terminal(80, "doctor", **variables)[1]), f"colour with {variables}")
    expect(not ESCAPE.search(ctl.ends(DONE, "doctor").out), "colour without a terminal")
    narrow = ctl.ends(DONE, "doctor", before=("env", "COLUMNS=60")).out
    expect(max(map(len, narrow.splitlines())) <= 60 and not ESCAPE.search(narrow), "COLUMNS where there is no terminal")


def asks_on_a_terminal(ctl):
    status, shown = ctl.on_terminal(80, "bind", "6:0", typed="n\n")
    expect(status == REFUSED and "Accept these risks and go on? [y/N]" in shown, shown)
    expect(ctl.daemon.control("binding 0000:06:00.0").startswith("e1000e"), "the answer was no")
    status, shown = ctl.on_terminal(80, "bind", "6:0", "--accept", "net.default_route", typed="n\n")
    expect(status == REFUSED and "Go on? [y/N]" in shown and "Nothing was changed." in shown, shown)
    status, shown = ctl.on_terminal(80, "bind", "6:0", typed="y\n")
    expect(status == DONE and "[3/3]" in shown and "vfio-pci" in shown, shown)
    expect(ctl.daemon.control("binding 0000:06:00.0").startswith("vfio-pci"), "the answer was yes")


def hostile_names(ctl):
    ctl.daemon.control("file usr/share/misc/pci.ids 8086  Intel\\n\\t10d3  \\x1b[2Jgone\\n")
    shown = ctl.on_terminal(80, "status", NO_COLOR="1")[1] + ctl.ends(DONE, "show", "15:10.0").out + ctl.ends(DONE, "status").out
    expect("\033" not in shown and "\u202e" not in shown and "\x9b" not in shown, shown)


SCENARIOS = (json_is_the_api_s, lists_of_several_pages, tables, a_fit_host_or_not, names, alternative_names, follows_events, binds_and_gives_back,
             several_at_once, a_plan_changes_nothing, refusals_and_risks, failures, progress, blocked, virtual_functions, claims, service, claims_by_selector,
             runs_a_command, runs_with_locked_memory, as_devbind, as_driverctl, helps, says_who_one_is, completes, without_a_daemon, pages_use_options_that_there_are, on_terminals, asks_on_a_terminal,
             hostile_names)


def main():
    program, contract_daemon, unit_tests = (os.path.abspath(path) for path in sys.argv[1:4])
    report = Report()
    unit = subprocess.run([unit_tests], capture_output=True, text=True)
    report.check("devbindctl.unit_tests", lambda: "" if unit.returncode == 0 else unit.stdout)
    wanted = sys.argv[4:]
    for scenario in SCENARIOS:
        if wanted and scenario.__name__ not in wanted:
            continue

        def run(scenario=scenario):
            with Daemon(contract_daemon) as daemon:
                scenario(Program(program, daemon))

        report.check(f"devbindctl.{scenario.__name__}", run)
    return report.end()


if __name__ == "__main__":
    sys.exit(main())
