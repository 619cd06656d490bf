# SPDX-License-Identifier: Apache-2.0
"""kill -9 of the daemon, of its worker, or of both, at each single write to sysfs, and what the next daemon makes of it.

A tracer (tracer.py) stops a worker right before or right after its N-th write(2) to sysfs, and kills exactly then. Every
test prints "N kill points, all good" into its results file. The ordinary run takes a sample; all points, some 450, in less
than an hour on an idle machine:  tests/vm/run --filter 'test_85_kill.Every*' --timeout 5400 --results DIR
"""

import dataclasses
import http.client
import json
import pathlib
import socket
import struct
import unittest

import api
import machine
from tracer import Tracer

NIC, PAIR0, PAIR1, BRIDGE = (machine.DEVICES[name].bdf for name in ("nic0", "pair0", "pair1", "bridge"))
PF = machine.DEVICES["sriov"].bdf
VFS = tuple(f"{PF[:-1]}{index}" for index in (1, 2))
DEVICES = (NIC, PAIR0, PAIR1, BRIDGE, PF)
VFIO = {"driver": "vfio-pci"}
GROUP = VFIO | {"scope": "group"}

# How one point is made: who dies. "daemon": the worker of before lives on, and stands still in the kernel until the new
# daemon has seen it. "twice": so, and the new daemon and its worker are killed at the first write that undoes.
KINDS = ("both", "worker", "daemon", "twice")
WHEN = ("before", "after")
TOTAL = pathlib.Path("/run/devbindd-kill-points")


@dataclasses.dataclass(frozen=True)
class Way:
    """A request whose writes are killed, and what is to be done before it."""

    request: tuple
    before: tuple | None = None
    undo: tuple = ()  # gives back, whatever came out


def put(bdf, body):
    return "PUT", f"/v1/devices/{bdf}/binding", body


def give_back(bdf):
    return "DELETE", f"/v1/devices/{bdf}/binding", None


def together(*items):
    return "POST", "/v1/bindings", {"items": list(items)}


def functions(count, **body):
    return "PUT", f"/v1/devices/{PF}/sriov", {"vfs": count, **body}


OVERRIDE = f"/v1/devices/{NIC}/driver-override"
SET_OVERRIDE, CLEAR_OVERRIDE = ("PUT", OVERRIDE, VFIO), ("DELETE", OVERRIDE, None)
TAKE_BOTH = together(VFIO | {"device": NIC}, GROUP | {"device": PAIR0})
GIVE_BOTH_BACK = together({"device": NIC, "restore": True}, {"device": PAIR0, "restore": True, "scope": "group"})

WAYS = {
    "bind": Way(put(NIC, VFIO), None, give_back(NIC)),
    "give_back": Way(give_back(NIC), put(NIC, VFIO), give_back(NIC)),
    "unbind": Way(put(NIC, {"driver": None}), None, give_back(NIC)),
    "bind_by_new_id": Way(put(NIC, VFIO | {"method": "new_id"}), None, give_back(NIC)),
    "set_override": Way(SET_OVERRIDE, None, CLEAR_OVERRIDE),
    "clear_override": Way(CLEAR_OVERRIDE, SET_OVERRIDE, CLEAR_OVERRIDE),
    "group_bind": Way(put(PAIR0, GROUP), None, give_back(PAIR0)),
    "transaction": Way(TAKE_BOTH, None, GIVE_BOTH_BACK),
    "transaction_give_back": Way(GIVE_BOTH_BACK, TAKE_BOTH, GIVE_BOTH_BACK),
    "group_give_back": Way(give_back(PAIR0), put(PAIR0, GROUP), give_back(PAIR0)),
    "create_functions": Way(functions(2, **VFIO), None, functions(0)),
    "more_functions": Way(functions(2, **VFIO), functions(1, **VFIO), functions(0)),
    "destroy_functions": Way(functions(0), functions(2, **VFIO), functions(0)),
}


def daemon_pid():
    """The process that listens, or None."""
    try:
        with socket.socket(socket.AF_UNIX) as stream:
            stream.connect(api.SOCKET)
            return struct.unpack("=3i", stream.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[0]
    except OSError:
        return None


def ask(request, **options):
    method, path, body = request
    return api.request(method, path, body, timeout=60, **options)


def operations(query=""):
    # Not for long: a connection to a daemon that is killed may hang while a child that it was making holds it too.
    return api.request("GET", "/v1/operations" + query, timeout=8).json["items"]


def all_ended():
    """No operation is under way. One question, since an operation may go from blocked to running between two."""
    try:
        return all(operation["state"] not in ("running", "blocked") for operation in operations())
    except (OSError, http.client.HTTPException):
        return False  # the daemon has just been killed


def kernel_state():
    state = {bdf: (api.driver_of(bdf), api.override_of(bdf)) for bdf in (*DEVICES, *filter(api.exists, VFS))}
    count = len(list((api.PCI / "devices" / PF).glob("virtfn*")))
    return state | {"functions": (count, api.attribute(PF, "sriov_drivers_autoprobe") == "1")}


class Case(unittest.TestCase):
    """The service restarts as often as it is killed; devices are at the end as at the start."""

    drop_in = pathlib.Path("/run/systemd/system/devbindd.service.d/kill.conf")

    @classmethod
    def setUpClass(cls):
        cls.drop_in.parent.mkdir(parents=True, exist_ok=True)
        cls.drop_in.write_text("[Unit]\nStartLimitIntervalSec=0\n")
        api.sh("systemctl daemon-reload")

    @classmethod
    def tearDownClass(cls):
        cls.drop_in.unlink()
        api.sh("systemctl daemon-reload")
        api.start_daemon_again()

    def setUp(self):
        self.original = kernel_state()
        self.points = 0
        self.addCleanup(self.tidy)

    def tidy(self):
        api.start_daemon_again()
        for bdf in (NIC, PAIR0):
            ask(give_back(bdf))
        ask(CLEAR_OVERRIDE)
        ask(functions(0, drivers_autoprobe=True))

    def say(self):
        with open(TOTAL, "a", encoding="utf-8") as total:
            total.write(f"{self.points}\n")
        print(f"{self.points} kill points, all good")
        self.assertGreater(self.points, 0)

    def each_point(self, name, kinds=KINDS, when=WHEN, writes=None):
        """All points of a way, or those at the given numbers of writes."""
        for number in writes or range(1, self.count_writes(WAYS[name]) + 1):
            for kind in kinds:
                for moment in when:
                    self.point(name, kind, moment, number)

    def count_writes(self, way):
        self.prepare(way)
        method, path, body = way.request
        steps = ask((method, path + "?dry_run=true", body)).json["steps"]
        self.undo(way)
        return len([step for step in steps if step["action"] != "load_module"])

    def prepare(self, way):
        if way.before:
            answer = ask(way.before)
            self.assertEqual((answer.status, answer.json["changed"]), (200, True), answer)

    def undo(self, way):
        answer = ask(way.undo)
        self.assertEqual(answer.status, 200, answer)
        self.assertEqual(kernel_state(), self.original)

    def point(self, name, kind, when, number):
        with self.subTest(f"{name}: {kind} {when} write {number}"):
            way = WAYS[name]
            self.prepare(way)
            before = kernel_state()
            known = {operation["id"] for operation in operations()}
            file = self.cut_off(way, kind, when, number)
            if file is None:  # there was nothing to be written for this step
                self.undo(way)
                return
            api.wait_for(all_ended, 40, "no operation to be under way")
            new = [operation for operation in operations() if operation["id"] not in known]
            self.assertEqual(len(new), 1, new)
            print(f"{name}: {kind} {when} write {number}, {file}: {new[0]['state']}", flush=True)
            self.check(new[0], before, alone=kind == "worker")
            self.undo(way)
            self.points += 1

    def cut_off(self, way, kind, when, number):
        """Gives the file whose write it was, None when there are fewer; comes back when the daemon answers again."""
        daemon = daemon_pid()
        with Tracer(daemon, "daemon" if kind == "twice" else kind, number, when) as tracer:
            self.send(way.request)
            api.wait_for(lambda: tracer.has_reached() or all_ended(), 30, "the write to be reached")
            if not tracer.has_reached():
                return None
            if kind != "worker":
                new = self.next_daemon(daemon)
            if kind == "daemon":
                self.wait_until_blocked(way, tracer.reached[0])
            if kind == "twice":
                self.wait_until_blocked(way, tracer.reached[0])
                with Tracer(new, "both", 1, "after") as second:
                    tracer.end()
                    api.wait_for(lambda: second.has_reached() or (daemon_pid() == new and all_ended()), 30, "the recovery")
                    if second.has_reached():  # otherwise there was nothing to undo
                        self.next_daemon(new)
            if kind == "worker":
                api.wait_for(all_ended, 40, "the operation's end")
            return tracer.reached[1]

    def send(self, request):
        try:
            answer = ask(request, headers={"Prefer": "respond-async"})
            self.assertEqual(answer.status, 202, answer)
        except (OSError, http.client.HTTPException):
            pass  # killed before it had answered

    def next_daemon(self, last):
        """The pid of the daemon that systemd starts after the killed one."""
        api.wait_for(lambda: daemon_pid() not in (None, last) and api.daemon_answers(), 40, "the next daemon")
        return daemon_pid()

    def wait_until_blocked(self, way, worker):
        """The new daemon knows of the worker, and lets nobody change the device meanwhile."""
        operation = api.wait_for(lambda: operations("?state=blocked"), 20, "the operation to be blocked")[0]
        self.assertEqual(operation["blocked"]["worker_pid"], worker)
        answer = ask(way.undo)
        self.assertEqual((answer.status, answer.json.get("code")), (409, "operation_in_progress"), answer)
        self.assertTrue(answer.json["operation"].endswith(operation["id"]))

    def check(self, operation, before, alone):
        """The kernel shows what the operation says, and the operation says it clearly."""
        after = dict(before)
        if operation["state"] == "succeeded":
            self.assertIsNone(operation["error"])
            for device in operation["devices"]:
                after[device["address"]] = (device["driver_after"], device["driver_override_after"])
                if not device["present_after"]:
                    del after[device["address"]]
                if device["functions_after"]:
                    after["functions"] = (device["functions_after"]["vfs"], device["functions_after"]["drivers_autoprobe"])
        else:
            error = operation["error"]
            self.assertEqual((operation["state"], error["restored"]), ("failed", True), operation)
            self.assertIn(error["code"], ("interrupted", "bind_failed") if alone else ("interrupted",))
        self.assertEqual(kernel_state(), after, operation)
        self.assertEqual(operations("?state=interrupted"), [])
        with self.assertRaises(OSError, msg="an ID that had stayed with the driver would be removed here"):
            api.write_sysfs(api.PCI / "drivers/vfio-pci/remove_id", "8086 10d3")


class Sample(Case):
    @api.timeout(150)
    def test_every_write_of_one_device(self):
        for name in ("bind", "give_back"):
            self.each_point(name, ("both",), ("after",))
        self.each_point("bind", ("worker",), ("before",))
        self.say()

    @api.timeout(150)
    def test_some_writes_of_a_group(self):
        self.each_point("group_bind", ("both",), ("after",), (4,))
        self.each_point("group_give_back", ("both",), ("before",), (3,))
        self.each_point("group_give_back", ("daemon",), ("after",), (2,))
        self.each_point("group_bind", ("twice",), ("after",), (5,))
        self.say()

    @api.timeout(150)
    def test_some_writes_of_a_transaction(self):
        self.each_point("transaction", ("both",), ("after",), (2, 9))
        self.each_point("transaction", ("daemon",), ("before",), (6,))
        self.each_point("transaction_give_back", ("both",), ("before",), (7,))
        self.say()

    @api.timeout(240)
    def test_some_writes_of_virtual_functions(self):
        self.each_point("create_functions", ("both",), ("after",), (2, 4))
        self.each_point("create_functions", ("daemon",), ("before",), (6,))
        self.each_point("more_functions", ("both",), ("after",), (2, 3))
        self.each_point("more_functions", ("twice",), ("after",), (3,))
        self.each_point("destroy_functions", ("both",), ("after",), (1,))
        self.each_point("destroy_functions", ("worker",), ("after",), (1,))
        self.say()


def each_way_and_kind(cls):
    """The class with a test for each."""

    def make(name, kind):
        @api.timeout(1500)
        def test(self):
            self.each_point(name, (kind,))
            self.say()

        return test

    for name in WAYS:
        for kind in KINDS:
            setattr(cls, f"test_{name}_{kind}", make(name, kind))
    return cls


if "Every" in json.loads(pathlib.Path("/mnt/results/request.json").read_text())["filter"]:

    @each_way_and_kind
    class Every(Case):
        pass

    class EveryPoint(unittest.TestCase):
        def test_there_are_at_least_200(self):
            total = sum(map(int, TOTAL.read_text().split()))
            print(f"{total} kill points, all good")
            self.assertGreaterEqual(total, 200)
