# SPDX-License-Identifier: Apache-2.0
"""Claims with real nodes, ACLs, udev and consumers: the owner can use the devices and nobody else, whatever happens to the
daemon; the end of a claim never pulls a device from under whoever has it open."""

import contextlib
import datetime
import errno
import json
import os
import pathlib
import resource
import socket
import subprocess
import time
import unittest

import api
import machine
import test_85_kill as kill

NIC, SECOND, NVME, PAIR0, PAIR1 = (machine.DEVICES[name].bdf for name in ("nic0", "nic1", "nvme", "pair0", "pair1"))
OWNER, STRANGER = 65534, 1  # nobody, daemon


def claim(expected=201, **body):
    answer = api.request("POST", "/v1/claims", body, timeout=90)
    if answer.status != expected:
        raise AssertionError(answer)
    return answer.json


def path_of(made):
    return "/v1/claims/" + made["id"]


def state_of(made):
    return api.request("GET", path_of(made)).json["state"]


def as_user(uid):
    """For a child process: another user, without any group or capability, who may lock all memory."""

    def change():
        resource.setrlimit(resource.RLIMIT_MEMLOCK, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        os.setgroups([])
        os.setgid(uid)
        os.setuid(uid)

    return change


def may_open(node, uid):
    opened = subprocess.run(["sh", "-c", f"exec 3<>{node}"], preexec_fn=as_user(uid), stderr=subprocess.DEVNULL)
    return opened.returncode == 0


class Consumer:
    """A program of a user that has a device open through VFIO."""

    def __init__(self, bdf, uid=OWNER):
        command = [api.HOLD_VFIO, str(api.iommu_group_of(bdf)), bdf]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, preexec_fn=as_user(uid)
        )
        lines = [self.process.stdout.readline().strip() for _ in range(2)]
        if lines != ["viable=1", "open"]:
            raise AssertionError(f"{command} says {lines}")

    def runs(self):
        return self.process.poll() is None

    def end(self):
        if self.runs():
            self.process.stdin.close()
            self.process.wait(30)


class Case(unittest.TestCase):
    devices = (NIC, SECOND, PAIR0, PAIR1)

    def setUp(self):
        self.before = {bdf: (api.driver_of(bdf), api.override_of(bdf)) for bdf in self.devices}
        self.addCleanup(self.end_all)

    def end_all(self):
        api.start_daemon_again()
        for made in api.request("GET", "/v1/claims").json["items"]:
            if made["state"] not in ("released", "lost"):
                api.request("DELETE", path_of(made) + "?when_closed=true", timeout=60)
                api.wait_for(lambda made=made: state_of(made) == "released", 60, "the claim's end")

    def consumer(self, bdf):
        made = Consumer(bdf)
        self.addCleanup(made.end)
        return made

    def assert_given_back(self):
        self.assertEqual({bdf: (api.driver_of(bdf), api.override_of(bdf)) for bdf in self.devices}, self.before)


@api.timeout(120)
class Owner(Case):
    @api.by_vfio
    def test_only_the_owner_can_use_the_device(self):
        made = claim(devices=[NIC], owner={"users": ["nobody"]})
        node = made["devices"][0]["nodes"]["group"]["path"]
        self.assertEqual(made["request"]["owner"]["uids"], [OWNER])
        self.assertFalse(may_open(node, STRANGER))
        with self.assertRaises(AssertionError):
            Consumer(NIC, STRANGER)
        self.consumer(NIC).end()
        self.assertEqual(api.request("DELETE", path_of(made)).json["state"], "released")
        self.assert_given_back()
        claim(devices=[NIC], owner={"groups": [STRANGER]})  # the node comes anew, without what was granted before
        self.assertFalse(may_open(node, OWNER))
        self.assertTrue(may_open(node, STRANGER))

    @api.by_vfio
    def test_who_could_use_the_nodes_before_it_can_after_it(self):
        bound = f"/v1/devices/{NIC}/binding"
        self.assertEqual(api.request("PUT", bound, {"driver": "vfio-pci"}).status, 200)
        self.addCleanup(api.request, "DELETE", bound)
        nodes = [f"/dev/vfio/{api.iommu_group_of(NIC)}"] + [node for node in ("/dev/iommu",) if pathlib.Path(node).exists()]
        for node in nodes:
            api.sh("setfacl", "-m", "u:nobody:rw", node)
            self.addCleanup(api.sh, "setfacl", "-x", "u:nobody", node)
        made = claim(devices=[NIC], owner={"users": [OWNER, STRANGER]})
        self.assertTrue(all(may_open(node, STRANGER) for node in nodes))
        api.sh("systemctl", "kill", "--signal=KILL", "devbindd.service")
        api.start_daemon_again()
        self.assertEqual(api.request("DELETE", path_of(made)).json["state"], "released")
        for node in nodes:
            acl = api.sh("getfacl", "-p", node)
            self.assertTrue(may_open(node, OWNER), acl)
            self.assertFalse(may_open(node, STRANGER), acl)

    @api.by_vfio
    def test_nobody_else_gets_more_than_he_had(self):
        """What the mask of an ACL keeps from somebody is not given to him with the owner's entry."""
        bound = f"/v1/devices/{NIC}/binding"
        self.assertEqual(api.request("PUT", bound, {"driver": "vfio-pci"}).status, 200)
        self.addCleanup(api.request, "DELETE", bound)
        node = f"/dev/vfio/{api.iommu_group_of(NIC)}"
        api.sh(f"setfacl -m u:{STRANGER}:rw {node}; chmod g-rwx {node}")
        self.assertFalse(may_open(node, STRANGER))
        made = claim(devices=[NIC], owner={"users": ["nobody"]})
        self.assertTrue(may_open(node, OWNER))
        self.assertFalse(may_open(node, STRANGER), api.sh("getfacl", "-p", node))
        self.assertEqual(api.request("DELETE", path_of(made)).json["state"], "released")
        self.assertFalse(may_open(node, OWNER))
        self.assertFalse(may_open(node, STRANGER), api.sh("getfacl", "-p", node))

    @api.by_vfio
    def test_a_descriptor_that_is_under_way_holds_the_claim_of_a_device_that_stays(self):
        """In a socket it is in no process, but whoever takes it out has the device that the next owner thinks is his."""
        made = claim(devices=[NIC], restore=False)
        self.addCleanup(api.request, "DELETE", f"/v1/devices/{NIC}/binding")
        near, far = socket.socketpair()
        node = os.open(made["devices"][0]["nodes"]["group"]["path"], os.O_RDWR)
        socket.send_fds(near, [b"x"], [node])
        os.close(node)
        self.assertEqual(api.request("DELETE", path_of(made)).json["state"], "releasing")
        time.sleep(3)
        waiting = api.request("GET", path_of(made)).json
        self.assertEqual((waiting["state"], waiting["holders"]), ("releasing", []), waiting)
        self.assertIn("no process", waiting["reason"])
        far.close()
        api.wait_for(lambda: state_of(made) == "released", 30, "the release")

    @api.by_vfio
    def test_udev_and_chmod_do_not_take_it_away(self):
        made = claim(devices=[NIC], owner={"users": [OWNER]})
        node = made["devices"][0]["nodes"]["group"]["path"]
        for disturb in (f"udevadm trigger --action=change --name-match={node}", f"chmod 0600 {node}; udevadm trigger --action=add --name-match={node}"):
            api.sh(disturb)
            api.sh("udevadm", "settle", "--timeout=30")
            api.wait_for(lambda: may_open(node, OWNER), 10, f"the right to be back after {disturb}")
        self.assertFalse(may_open(node, STRANGER))

    @api.by_vfio
    def test_what_was_taken_by_hand_is_neither_handed_over_nor_taken_again(self):
        made = claim(devices=[NIC, SECOND])
        api.write_sysfs(api.PCI / "drivers/vfio-pci/unbind", NIC)
        api.write_sysfs(api.PCI / f"devices/{NIC}/driver_override", "e1000e")
        self.addCleanup(api.write_sysfs, api.PCI / f"devices/{NIC}/driver_override", "\n")
        api.write_sysfs(api.PCI / "drivers/e1000e/bind", NIC)
        shown = api.request("GET", path_of(made)).json["devices"]
        self.assertEqual([(item["as_claimed"], item["driver"]) for item in shown], [(False, "e1000e"), (True, "vfio-pci")], shown)
        refused = api.request("GET", path_of(made) + "/handover?format=qemu")
        self.assertEqual((refused.status, refused.json["code"]), (409, "node_not_found"), refused)
        self.assertIn(f"{NIC} has the driver e1000e now", refused.json["detail"])
        self.assertEqual(api.request("DELETE", path_of(made)).json["state"], "released")
        self.assertEqual((api.driver_of(SECOND), api.override_of(SECOND)), ("e1000e", None))
        self.assertEqual((api.driver_of(NIC), api.override_of(NIC)), ("e1000e", "e1000e"))  # his, and not the one of before

    @api.by_vfio
    def test_the_whole_group_goes_with_it(self):
        made = claim(devices=[PAIR0], owner={"users": [OWNER]})
        self.assertEqual([(item["address"], item["companion"]) for item in made["devices"]], [(PAIR0, False), (PAIR1, True)])
        self.consumer(PAIR0).end()
        refused = api.request("PUT", f"/v1/devices/{PAIR1}/binding", {"driver": "e1000"})
        self.assertEqual((refused.status, refused.json["blockers"][0]["code"]), (409, "claim.held"), refused)
        api.request("DELETE", path_of(made))
        self.assert_given_back()

    def test_a_selector_takes_free_devices_and_no_more(self):
        made = claim(selector={"vendor": "8086", "device": "10d3", "count": 2})
        self.assertEqual([item["address"] for item in made["devices"]], [NIC, SECOND])
        answer = api.request("POST", "/v1/claims", {"selector": {"vendor": "8086", "device": "10d3"}})
        self.assertEqual((answer.status, answer.json["code"]), (409, "not_enough_devices"), answer)
        self.assertIn("claim", answer.json["detail"])


@api.timeout(150)
class Endings(Case):
    @api.by_vfio
    def test_a_consumer_notices_nothing_of_a_daemon_that_is_killed(self):
        made = claim(devices=[NIC], owner={"users": [OWNER]}, ttl_seconds=600)
        node = made["devices"][0]["nodes"]["group"]["path"]
        consumer = self.consumer(NIC)
        daemon = kill.daemon_pid()
        os.kill(daemon, 9)
        api.wait_for(lambda: kill.daemon_pid() not in (None, daemon) and api.daemon_answers(), 40, "the next daemon")
        again = api.request("GET", path_of(made)).json
        self.assertEqual((again["state"], again["fencing_token"]), ("active", made["fencing_token"]), again)
        self.assertTrue(consumer.runs())
        refused = api.request("DELETE", path_of(made))
        self.assertEqual((refused.status, refused.json["code"]), (409, "claim_in_use"), refused)
        self.assertIn("hold_vfio", [process["command"] for process in refused.json["blockers"][0]["processes"]])
        consumer.end()
        self.assertTrue(may_open(node, OWNER))
        self.assertEqual(api.request("DELETE", path_of(made)).json["state"], "released")
        self.assert_given_back()

    def test_a_consumer_notices_nothing_of_an_upgrade(self):
        """As a package does it: the binary is another file, then the service is restarted."""
        made = claim(devices=[NIC], owner={"users": [OWNER]})
        consumer = self.consumer(NIC)
        binary = pathlib.Path("/usr/sbin/devbindd")
        replaced = binary.stat().st_ino
        api.sh(f"cp {binary} {binary}.new; mv {binary}.new {binary}; systemctl restart devbindd")
        api.wait_for(api.daemon_answers, 40, "the next daemon")
        self.assertNotEqual(os.stat(f"/proc/{kill.daemon_pid()}/exe").st_ino, replaced)
        self.assertEqual(state_of(made), "active")
        self.assertTrue(consumer.runs())
        self.assertEqual(api.request("DELETE", path_of(made)).json["code"], "claim_in_use")
        consumer.end()
        self.assertEqual(api.request("DELETE", path_of(made)).json["state"], "released")
        self.assert_given_back()

    def test_time_that_runs_out_does_not_pull_the_device_away(self):
        made = claim(devices=[NIC], owner={"users": [OWNER]}, ttl_seconds=2)
        consumer = self.consumer(NIC)
        api.wait_for(lambda: state_of(made) == "releasing", 20, "the claim to end")
        time.sleep(3)
        self.assertTrue(consumer.runs())
        self.assertEqual(api.driver_of(NIC), "vfio-pci")
        waiting = api.request("GET", path_of(made)).json
        self.assertEqual((waiting["state"], waiting["holders"][0]["pid"]), ("releasing", consumer.process.pid), waiting)
        consumer.end()
        api.wait_for(lambda: state_of(made) == "released", 30, "the release")
        self.assert_given_back()

    @api.by_vfio
    def test_its_owner_cannot_open_the_device_anew_while_it_ends(self):
        """Or he could keep it for ever. What he has open he keeps."""
        made = claim(devices=[NIC], owner={"users": [OWNER]})
        node = made["devices"][0]["nodes"]["group"]["path"]
        consumer = self.consumer(NIC)
        self.assertEqual(api.request("DELETE", path_of(made) + "?when_closed=true").json["state"], "releasing")
        self.assertNotIn("user:nobody", api.sh("getfacl", "-p", node))
        self.assertTrue(consumer.runs())
        consumer.end()
        api.wait_for(lambda: state_of(made) == "released", 30, "the release")
        self.assert_given_back()

    def test_it_lasts_as_long_as_it_was_made_for_however_the_clock_is_set(self):
        self.addCleanup(api.sh, "date -s '+1 hour'")
        made = claim(devices=[NIC], ttl_seconds=5)
        lasting = claim(devices=[SECOND], ttl_seconds=3600)
        api.sh("date -s '-1 hour'")
        api.wait_for(lambda: state_of(made) == "released", 30, "the claim to end")
        api.sh("date -s '+3 hours'")
        shown = api.request("GET", path_of(lasting)).json
        left = (datetime.datetime.fromisoformat(shown["expires_at"]) - datetime.datetime.now(datetime.timezone.utc)).total_seconds()
        self.assertEqual((shown["state"], 3400 < left <= 3600), ("active", True), (shown, left))
        daemon = kill.daemon_pid()
        os.kill(daemon, 9)
        api.wait_for(lambda: kill.daemon_pid() not in (None, daemon) and api.daemon_answers(), 40, "the next daemon")
        self.assertEqual(state_of(lasting), "active")
        api.sh("date -s '-2 hours'")
        self.assertEqual(api.request("DELETE", path_of(lasting)).json["state"], "released")
        self.assert_given_back()

    def test_after_its_grace_the_kernel_is_asked_to_take_the_device(self):
        """The unbind waits for the consumer, which keeps its device until it lets go; also when the daemon is killed."""
        made = claim(devices=[NIC], owner={"users": [OWNER]}, ttl_seconds=1, grace_seconds=3)
        consumer = self.consumer(NIC)
        api.wait_for(lambda: state_of(made) == "releasing", 20, "the claim to end")
        self.assertIsNone(api.request("GET", path_of(made)).json["release_operation"])
        api.wait_for(lambda: api.request("GET", path_of(made)).json["release_operation"], 20, "the end of the grace")
        operation = api.request("GET", path_of(made)).json["release_operation"]
        api.wait_for(lambda: api.request("GET", operation).json["state"] == "blocked", 20, "the unbind")
        blocked = api.wait_for(lambda: api.request("GET", operation).json["blocked"]["holders"], 20, "the holder")
        self.assertIn(consumer.process.pid, [item["pid"] for item in blocked])
        self.assertTrue(consumer.runs())
        self.assertFalse(may_open(made["devices"][0]["nodes"]["group"]["path"], OWNER))
        daemon = kill.daemon_pid()
        os.kill(daemon, 9)
        api.wait_for(lambda: kill.daemon_pid() not in (None, daemon) and api.daemon_answers(), 40, "the next daemon")
        self.assertEqual(state_of(made), "releasing")
        self.assertTrue(consumer.runs())
        consumer.end()
        api.wait_for(lambda: state_of(made) == "released", 60, "the release")
        self.assert_given_back()

    def test_a_claim_ends_with_its_process(self):
        process = subprocess.Popen(["sleep", "600"])
        made = claim(devices=[NIC, PAIR0], pid=process.pid)
        self.assertEqual(state_of(made), "active")
        daemon = kill.daemon_pid()
        os.kill(daemon, 9)
        api.wait_for(lambda: kill.daemon_pid() not in (None, daemon) and api.daemon_answers(), 40, "the next daemon")
        self.assertEqual(state_of(made), "active")
        process.kill()
        process.wait()
        api.wait_for(lambda: state_of(made) == "released", 30, "the release")
        self.assertEqual(api.request("GET", path_of(made)).json["reason"], "its process has ended")
        self.assert_given_back()

    def test_a_process_that_ended_while_no_daemon_ran(self):
        process = subprocess.Popen(["sleep", "600"])
        made = claim(devices=[NIC], pid=process.pid)
        api.sh("systemctl stop devbindd")
        process.kill()
        process.wait()
        api.start_daemon_again()
        api.wait_for(lambda: state_of(made) == "released", 30, "the release")
        self.assert_given_back()


    def test_a_claim_ends_with_the_connection_that_made_it(self):
        body = {"devices": [NIC], "owner": {"users": [OWNER]}, "while_connected": True}
        with contextlib.closing(api.Connection(timeout=60)) as connection:
            made = connection.ask("POST", "/v1/claims", body).json
            self.assertEqual(made["state"], "active", made)
            consumer = self.consumer(NIC)
        api.wait_for(lambda: state_of(made) == "releasing", 20, "the claim to end")
        self.assertTrue(consumer.runs())
        self.assertEqual(api.driver_of(NIC), "vfio-pci")
        consumer.end()
        api.wait_for(lambda: state_of(made) == "released", 30, "the release")
        self.assertEqual(api.request("GET", path_of(made)).json["reason"], "its connection has closed")
        self.assert_given_back()

    def test_a_connection_that_went_with_the_daemon_may_come_back(self):
        body = {"devices": [NIC], "while_connected": True}
        with contextlib.closing(api.Connection(timeout=60)) as connection:
            made = connection.ask("POST", "/v1/claims", body).json
            api.sh("systemctl restart devbindd")
            api.wait_for(api.daemon_answers, 30, "the daemon")
        self.assertEqual(state_of(made), "active")
        with contextlib.closing(api.Connection(timeout=60)) as connection:
            self.assertEqual(connection.ask("POST", path_of(made) + "/renew", {}).status, 200)
        api.wait_for(lambda: state_of(made) == "released", 30, "the release")
        self.assert_given_back()


@api.by_vfio
@api.timeout(120)
class Resets(Case):
    """At the end of a claim the kernel resets what it can, and a device whose reset is required and does not work is kept."""

    devices = (NIC, NVME)

    def outcomes(self, made):
        return {item["address"]: item["reset"] for item in made["devices"]}

    def test_each_that_can_be_is_reset(self):
        made = claim(devices=[NIC, NVME], reset="required")
        plan = api.request("DELETE", path_of(made) + "?dry_run=true").json
        resets = [step["path"] for step in plan["steps"] if step["action"] == "reset"]
        self.assertEqual(resets, [f"/sys/bus/pci/devices/{bdf}/reset" for bdf in (NIC, NVME)], plan)
        self.assertEqual(state_of(made), "active")
        released = api.request("DELETE", path_of(made), timeout=60).json
        self.assertEqual((released["state"], self.outcomes(released)), ("released", {NIC: "done", NVME: "done"}), released)
        self.assert_given_back()

    def test_one_without_a_reset_is_not_taken_where_it_is_required(self):
        edu = machine.DEVICES["edu"].bdf
        self.assertFalse((api.PCI / "devices" / edu / "reset").exists())
        refused = claim(409, devices=[edu], reset="required")
        self.assertEqual([item["code"] for item in refused["blockers"]], ["device.no_reset"], refused)
        made = claim(devices=[edu])
        released = api.request("DELETE", path_of(made), timeout=60).json
        self.assertEqual((released["state"], self.outcomes(released)), ("released", {edu: "unavailable"}), released)

    def test_one_whose_required_reset_does_not_work_is_kept_on_vfio(self):
        made = claim(devices=[NIC, NVME], reset="required")
        methods = api.PCI / "devices" / NIC / "reset_method"
        self.addCleanup(api.write_sysfs, methods, "default")
        api.write_sysfs(methods, "\n")
        kept = api.request("DELETE", path_of(made), timeout=60).json
        self.assertEqual((kept["state"], self.outcomes(kept)), ("quarantined", {NIC: "unavailable", NVME: "done"}), kept)
        self.assertIn(f"{NIC} could not be reset", kept["reason"])
        self.assertEqual((api.driver_of(NIC), api.driver_of(NVME)), ("vfio-pci", "nvme"))
        api.request("POST", path_of(made) + "/acknowledge", {})
        self.assertEqual(api.request("DELETE", f"/v1/devices/{NIC}/binding").json["driver"], "e1000e")
        self.assert_given_back()


@api.by_vfio
@api.timeout(120)
class Descriptors(Case):
    """A program that gets descriptors only: no right on any node, no group, no capability."""

    devices = (NIC, SECOND)

    def use(self, bdf, way):
        """What the program says of the device, after one answer has given it what it needs."""
        made = claim(devices=[bdf])
        answer = api.request("POST", path_of(made) + "/fds", {"way": way})
        self.assertEqual(answer.status, 200, answer)
        for descriptor in answer.descriptors:
            self.addCleanup(os.close, descriptor)
        roles = [item["role"] for item in answer.json["descriptors"]]
        self.assertEqual(roles, {"group": ["container", "group"], "cdev": ["iommufd", "device"]}[way])
        self.assertEqual([os.readlink(f"/proc/self/fd/{fd}") for fd in answer.descriptors], [item["path"] for item in answer.json["descriptors"]])
        for item in answer.json["descriptors"][1:]:
            self.assertFalse(may_open(item["path"], OWNER))
        command = ["/usr/libexec/devbindd-tests/descriptor_consumer", way, *map(str, answer.descriptors), *([bdf] if way == "group" else [])]
        done = subprocess.run(command, capture_output=True, text=True, pass_fds=answer.descriptors, preexec_fn=as_user(OWNER), timeout=60 * api.PACE)
        self.assertEqual(done.returncode, 0, done.stderr)
        # Whoever holds a descriptor is seen, and the device is not pulled away.
        refused = api.request("DELETE", path_of(made))
        self.assertEqual((refused.status, refused.json["code"]), (409, "claim_in_use"), refused)
        return done.stdout.splitlines()

    def check(self, way):
        facts = self.use(NIC, way)
        regions = api.request("GET", f"/v1/devices/{NIC}/regions").json["regions"]
        shown = {line.split()[1]: int(line.split()[2]) for line in facts if line.startswith("region")}
        self.assertEqual(shown["0"], regions[0]["size"])
        self.assertEqual(facts[-2:], ["config 8086 10d3", f"mapped {1 << 20}"])

    def test_by_group(self):
        self.check("group")

    def test_by_device_or_told_that_the_kernel_does_not_have_it(self):
        if pathlib.Path("/dev/iommu").exists():
            return self.check("cdev")
        made = claim(devices=[NIC])
        answer = api.request("POST", path_of(made) + "/fds", {"way": "cdev"})
        self.assertEqual((answer.status, answer.json["code"]), (409, "node_not_found"), answer)

    def test_the_daemon_keeps_no_descriptor(self):
        made = claim(devices=[NIC])
        answer = api.request("POST", path_of(made) + "/fds", {"way": "group"})
        self.assertEqual(answer.status, 200, answer)
        again = api.request("POST", path_of(made) + "/fds", {"way": "group"})
        self.assertEqual((again.status, again.json["code"], again.json["errno"]), (409, "device_open", "EBUSY"), again)
        for descriptor in answer.descriptors:
            os.close(descriptor)
        self.assertEqual(api.request("DELETE", path_of(made)).json["state"], "released")
        self.assert_given_back()

    def test_the_owner_may_have_them_and_a_stranger_may_not(self):
        pathlib.Path("/run/devbindd/devbindd.sock").chmod(0o666)
        self.addCleanup(pathlib.Path("/run/devbindd/devbindd.sock").chmod, 0o660)
        made = claim(devices=[NIC], owner={"users": [OWNER]})
        with api.acting_as(STRANGER, STRANGER):
            refused = api.request("POST", path_of(made) + "/fds", {})
        self.assertEqual((refused.status, refused.json["code"]), (403, "forbidden"), refused)
        with api.acting_as(OWNER, OWNER):
            answer = api.request("POST", path_of(made) + "/fds", {})
        self.assertEqual((answer.status, len(answer.descriptors)), (200, 2), answer)
        for descriptor in answer.descriptors:
            os.close(descriptor)


@api.by_vfio
@unittest.skipUnless(pathlib.Path("/sys/class/iommu/dmar0").exists(), "needs an IOMMU")
@api.timeout(300)
class Consumers(Case):
    devices = (NIC, NVME)

    def test_qemu_as_the_owner_passes_the_device_on(self):
        made = claim(devices=[NIC], owner={"users": [OWNER]})
        handover = api.request("GET", path_of(made) + "/handover?format=qemu").json
        command = ["qemu-system-x86_64", "-accel", "tcg", "-m", "64", "-nodefaults", "-display", "none", "-monitor", "stdio", *handover["arguments"]]
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, preexec_fn=as_user(OWNER), cwd="/"
        )
        said, _ = process.communicate("info pci\nquit\n", timeout=240 * api.PACE)
        self.assertIn("8086:10d3", said.lower().replace(" ", ""), said)
        self.assertEqual(api.request("DELETE", path_of(made)).json["state"], "released")
        self.assert_given_back()

    def test_testpmd_as_the_owner_starts_a_port(self):
        made = claim(devices=[NIC], owner={"users": [OWNER]})
        handover = api.request("GET", path_of(made) + "/handover?format=dpdk").json
        memory = ["--no-huge", "-m", "256", "--no-shconf", "--no-telemetry"]
        command = ["dpdk-testpmd", "--lcores", "0@0,1@0", *memory, *handover["arguments"], "--", "-i", "--total-num-mbufs=4096"]
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, preexec_fn=as_user(OWNER), cwd="/"
        )
        said, _ = process.communicate("start\nshow port info 0\nstop\nquit\n", timeout=200 * api.PACE)
        self.assertEqual(process.returncode, 0, said)
        self.assertIn("VFIO support initialized", said)
        self.assertIn("Driver name: net_e1000_em", said)
        self.assertIn("io packet forwarding", said)
        self.assertEqual(api.request("DELETE", path_of(made)).json["state"], "released")
        self.assert_given_back()

    def test_qemus_own_nvme_driver_and_the_kernels_see_the_same_bytes(self):
        disk = next(pathlib.Path(f"/sys/bus/pci/devices/{NVME}/nvme").glob("nvme*/nvme*n*")).name
        self.assertFalse(any(f"/dev/{disk}" in line for line in pathlib.Path("/proc/mounts").read_text().splitlines()))
        offset, size = 64 << 20, 4096
        with open(f"/dev/{disk}", "rb") as device:
            device.seek(offset)
            original = device.read(size)
        made = claim(devices=[NVME])
        io = f"qemu-io -f raw -c 'write -P 0xa5 {offset} {size}' -c 'read -P 0xa5 {offset} {size}' nvme://{NVME}/1"
        said = api.sh(io, timeout=200)
        self.assertIn("wrote 4096/4096", said)
        self.assertIn("read 4096/4096", said)
        self.assertNotIn("Pattern verification failed", said)
        self.assertEqual(api.request("DELETE", path_of(made), timeout=60).json["state"], "released")
        api.wait_for(lambda: pathlib.Path(f"/dev/{disk}").exists(), 30, "the disk to be back")
        with open(f"/dev/{disk}", "r+b") as device:
            device.seek(offset)
            self.assertEqual(device.read(size), b"\xa5" * size)
            device.seek(offset)
            device.write(original)
        self.assert_given_back()


CONFIGURATION = pathlib.Path("/etc/devbindd/devbindd.json")


class Configured(Case):
    """With a configuration of the test's own; the shipped one is back at the end."""

    def configure(self, document):
        before = CONFIGURATION.read_text()
        self.addCleanup(api.sh, "systemctl restart devbindd")
        self.addCleanup(CONFIGURATION.write_text, before)
        CONFIGURATION.write_text(json.dumps(document))


@api.by_vfio
@api.timeout(120)
class Door(Configured):
    """An owner who may not open the daemon's socket reaches his claim, and nothing else, by the one for owners."""

    CLAIMS = "/run/devbindd/claims.sock"

    def setUp(self):
        super().setUp()
        self.configure({"claims_socket": {"path": self.CLAIMS}})
        api.sh("systemctl restart devbindd")
        api.wait_for(api.daemon_answers, 30, "the daemon")

    def ask(self, uid, method, path, body=None, socket_path=CLAIMS):
        with api.acting_as(uid, uid):
            return api.request(method, path, body, socket_path=socket_path)

    def test_an_owner_takes_his_descriptors_and_ends_his_claim(self):
        made = claim(devices=[NIC], owner={"users": [OWNER]})
        with self.assertRaises(PermissionError):
            self.ask(OWNER, "GET", "/v1/claims", socket_path=api.SOCKET)
        self.assertEqual([item["id"] for item in self.ask(OWNER, "GET", "/v1/claims?state=active").json["items"]], [made["id"]])
        answer = self.ask(OWNER, "POST", path_of(made) + "/fds", {"way": "group"})
        self.assertEqual((answer.status, len(answer.descriptors)), (200, 2), answer)
        self.assertEqual([os.readlink(f"/proc/self/fd/{fd}") for fd in answer.descriptors], [item["path"] for item in answer.json["descriptors"]])
        refused = self.ask(OWNER, "DELETE", path_of(made))
        self.assertEqual((refused.status, refused.json["code"]), (409, "claim_in_use"), refused)
        for descriptor in answer.descriptors:
            os.close(descriptor)
        self.assertEqual(self.ask(STRANGER, "GET", "/v1/claims?state=active").json["items"], [])
        for method, path, body in (("GET", path_of(made), None), ("DELETE", path_of(made), None), ("POST", path_of(made) + "/fds", {}), ("GET", path_of(made) + "/handover", None)):
            unknown = self.ask(STRANGER, method, path, body)
            self.assertEqual((unknown.status, unknown.json["code"]), (404, "claim_not_found"), unknown)
        for method, path, body in (("GET", "/v1/devices", None), ("GET", "/v1/audit", None), ("PUT", f"/v1/devices/{SECOND}/binding", {"driver": "vfio-pci"}),
                                   ("POST", "/v1/claims", {"devices": [SECOND]}), ("POST", path_of(made) + "/renew", {})):
            for uid in (OWNER, STRANGER):
                refused = self.ask(uid, method, path, body)
                self.assertEqual((refused.status, refused.json["code"]), (403, "forbidden"), refused)
        self.assertEqual(self.ask(OWNER, "DELETE", path_of(made)).json["state"], "released")
        self.assert_given_back()


@api.by_vfio
@api.timeout(120)
class Cdi(Configured):
    """podman finds the devices of a claim by their CDI names."""

    def setUp(self):
        super().setUp()
        self.configure({"cdi_directory": "/run/cdi"})
        api.sh("systemctl restart devbindd")
        api.wait_for(api.daemon_answers, 30, "the daemon")

    def test_podman_resolves_the_name_while_the_claim_is_there(self):
        made = claim(devices=[NIC])
        file = pathlib.Path(f"/run/cdi/devbindd-vfio-{made['id']}.json")
        self.assertEqual(file.read_text(), api.request("GET", path_of(made) + "/handover?format=cdi").text)
        name = made["cdi_names"][0]
        self.assertNotIn("unresolvable", self.podman(name))
        api.sh("systemctl kill -s KILL devbindd")
        api.wait_for(api.daemon_answers, 40, "the next daemon")
        self.assertTrue(file.exists())
        self.assertEqual(api.request("DELETE", path_of(made)).json["state"], "released")
        self.assertFalse(file.exists())
        self.assertIn("unresolvable CDI devices " + name, self.podman(name))

    def podman(self, name):
        """What podman says when it runs a container with the device. Whether one can start here is another matter."""
        root = pathlib.Path("/run/podman-test")
        (root / "rootfs").mkdir(parents=True, exist_ok=True)
        command = ["podman", "--root", root / "storage", "--runroot", root / "run", "--storage-driver", "vfs", "run", "--rm", "--device", name]
        done = subprocess.run([*command, "--network", "none", "--rootfs", root / "rootfs", "true"], capture_output=True, text=True, timeout=90 * api.PACE)
        print(done.stdout + done.stderr)
        return done.stderr


@api.timeout(150)
class Policies(Configured):
    """Policies are in force before a unit that is ordered after devbindd starts, and respect what others have set."""

    NICS = {"name": "nics", "selector": {"vendor": "8086", "device": "10d3"}, "driver": "vfio-pci", "exclude": [SECOND]}

    def setUp(self):
        super().setUp()
        self.addCleanup(self.give_back)
        api.sh("systemctl stop devbindd")

    def give_back(self):
        CONFIGURATION.write_text("{}")
        api.sh("systemctl restart devbindd")
        api.wait_for(api.daemon_answers, 30, "the daemon")
        api.request("DELETE", f"/v1/devices/{NIC}/binding")
        self.assert_given_back()

    def outcomes(self):
        listed = api.request("GET", "/v1/policies").json["items"]
        return {place["address"]: place for policy in listed for place in policy["devices"]}

    def test_in_force_before_a_unit_that_comes_after(self):
        self.configure({"policies": [self.NICS]})
        unit = pathlib.Path("/run/systemd/system/vm-after.service")
        self.addCleanup(lambda: (unit.unlink(), api.sh("systemctl daemon-reload")))
        look = f"readlink /sys/bus/pci/devices/{NIC}/driver > /run/vm-after"
        unit.write_text(f"[Unit]\nAfter=devbindd.service\nWants=devbindd.service\n[Service]\nType=oneshot\nExecStart=/bin/sh -c '{look}'\n")
        api.sh("systemctl daemon-reload; systemctl start vm-after.service")
        self.assertTrue(pathlib.Path("/run/vm-after").read_text().rstrip().endswith("/vfio-pci"))
        self.assertEqual({address: place["outcome"] for address, place in self.outcomes().items()}, {NIC: "in_force"})
        self.assertEqual(api.driver_of(SECOND), "e1000e")
        api.sh("systemctl restart devbindd")
        api.wait_for(api.daemon_answers, 30, "the daemon")
        self.assertIsNone(self.outcomes()[NIC]["operation"])  # it was so already
        api.request("DELETE", f"/v1/devices/{NIC}/binding")
        self.assertTrue(self.outcomes()[NIC]["drift"])

    def test_claims_select_by_the_labels_of_policies(self):
        labels = {"pool": "vm", "rack": "7"}
        self.configure({"policies": [self.NICS | {"labels": labels}]})
        api.start_daemon_again()
        self.assertEqual(api.request("GET", "/v1/policies").json["items"][0]["labels"], labels)
        made = claim(selector={"labels": {"pool": "vm"}})
        self.assertEqual([item["address"] for item in made["devices"]], [NIC])
        answer = api.request("POST", "/v1/claims", {"selector": {"labels": {"pool": "vm"}}})
        self.assertEqual((answer.status, answer.json["code"]), (409, "not_enough_devices"), answer)
        self.assertEqual(api.request("DELETE", path_of(made)).json["state"], "released")
        self.assertEqual(api.driver_of(NIC), "vfio-pci")  # the policy's

    def test_the_management_nic_and_an_administrators_override_are_left_alone(self):
        management = machine.DEVICES["mgmt"].bdf
        api.write_sysfs(api.PCI / f"devices/{NIC}/driver_override", "pci-stub")
        self.addCleanup(api.write_sysfs, api.PCI / f"devices/{NIC}/driver_override", "\n")
        self.configure({"policies": [{"name": "all", "selector": {"category": "network"}, "driver": "vfio-pci", "scope": "device", "exclude": [SECOND, PAIR0, PAIR1]}]})
        api.start_daemon_again()
        outcomes = self.outcomes()
        self.assertEqual((outcomes[NIC]["outcome"], outcomes[management]["outcome"]), ("respected", "refused"), outcomes)
        self.assertEqual((api.driver_of(NIC), api.driver_of(management)), ("e1000e", "virtio-pci"))

    def test_a_device_that_is_plugged_in_gets_its_policy(self):
        self.configure({"policies": [self.NICS]})
        api.start_daemon_again()
        port, bus = machine.ROOT_PORTS[machine.SPARE_PORTS[0]]
        added = f"0000:{bus:02x}:00.0"
        api.qmp("device_add", driver="e1000e", id="plugged", bus=machine.SPARE_PORTS[0], romfile="")
        self.addCleanup(api.unplug, "plugged", added)
        api.wait_for(lambda: api.exists(added) and self.outcomes().get(added, {}).get("outcome") == "in_force", 40, "the policy")
        self.assertEqual(api.driver_of(added), "vfio-pci")


# Locks as many bytes as each line of its input says, and says the errno.
LOCKER = """
import ctypes, mmap, sys
libc = ctypes.CDLL(None, use_errno=True)
for line in sys.stdin:
    memory = mmap.mmap(-1, int(line))
    address = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    print(0 if libc.mlock(ctypes.c_void_p(address), ctypes.c_size_t(int(line))) == 0 else ctypes.get_errno(), flush=True)
"""


@api.timeout(120)
class Limits(Case):
    """A consumer that may lock 64 KiB is going to map 16 MiB."""

    NEEDED = 16 << 20
    drop_in = pathlib.Path("/run/systemd/system/devbindd-keeper@.service.d/limits.conf")

    def setUp(self):
        super().setUp()
        self.process = subprocess.Popen(
            ["python3", "-c", LOCKER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, preexec_fn=self.confine
        )
        self.addCleanup(self.end_process)
        self.made = claim(devices=[NIC], owner={"users": [OWNER]})

    def confine(self):
        os.setgroups([])
        os.setgid(OWNER)
        os.setuid(OWNER)
        resource.setrlimit(resource.RLIMIT_MEMLOCK, (65536, 65536))

    def end_process(self):
        self.process.stdin.close()
        self.process.wait(30)
        self.process.stdout.close()

    def lock(self):
        self.process.stdin.write(f"{self.NEEDED}\n")
        self.process.stdin.flush()
        return int(self.process.stdout.readline())

    def ask(self, **body):
        body = {"pid": self.process.pid, "dma_memory_bytes": self.NEEDED, **body}
        return api.request("POST", path_of(self.made) + "/memlock", body)

    def test_it_is_told_and_raised_where_the_unit_may(self):
        self.assertEqual(self.lock(), errno.ENOMEM)
        told = self.ask().json
        self.assertEqual((told["suffices"], told["soft_limit_bytes"], told["uid"], told["may_exceed"]), (False, 65536, OWNER, False), told)
        refused = self.ask(**{"raise": True})
        self.assertEqual((refused.status, refused.json["code"], refused.json["errno"]), (409, "limit_not_raised", "EPERM"), refused)
        self.addCleanup(self.allow, False)
        self.allow(True)
        raised = self.ask(**{"raise": True}).json
        self.assertEqual((raised["suffices"], raised["raised"]), (True, True), raised)
        self.assertEqual(self.lock(), 0)
        again = self.ask(way="group").json
        self.assertEqual((again["locked_bytes"], again["suffices"]), (self.NEEDED, False), again)
        self.assertTrue(self.ask(dma_memory_bytes=0, way="group").json["suffices"])

    def allow(self, on):
        self.drop_in.parent.mkdir(parents=True, exist_ok=True)
        self.drop_in.write_text("[Service]\nCapabilityBoundingSet=CAP_SYS_RESOURCE\n" if on else "")
        api.sh("systemctl daemon-reload; systemctl restart devbindd")
        api.wait_for(api.daemon_answers, 40, "the daemon's answer")

    def test_nobody_elses_limit_is_raised(self):
        stranger = subprocess.Popen(["sleep", "60"], preexec_fn=as_user(STRANGER))
        self.addCleanup(stranger.wait)
        self.addCleanup(stranger.kill)
        resource.prlimit(stranger.pid, resource.RLIMIT_MEMLOCK, (65536, 65536))
        refused = self.ask(pid=stranger.pid, **{"raise": True})
        self.assertEqual((refused.status, refused.json["code"]), (409, "limit_not_raised"), refused)
        self.assertEqual(resource.prlimit(stranger.pid, resource.RLIMIT_MEMLOCK), (65536, 65536))


@api.timeout(120)
class Cordoned(Case):
    def test_it_gets_no_claim_over_restarts(self):
        path = f"/v1/devices/{NIC}/cordon"
        self.addCleanup(api.request, "DELETE", path)
        api.request("PUT", path, {"reason": "to be replaced"})
        made = claim(selector={"vendor": "8086", "device": "10d3"})
        self.assertEqual([item["address"] for item in made["devices"]], [SECOND])
        api.sh("systemctl restart devbindd")
        api.wait_for(api.daemon_answers, 40, "the daemon's answer")
        refused = claim(409, devices=[NIC])
        self.assertEqual([item["code"] for item in refused["blockers"]], ["device.cordoned"], refused)
        api.request("DELETE", path)
        self.assertEqual(claim(devices=[NIC])["state"], "active")


@api.by_vfio
@api.timeout(120)
class Functions(Case):
    devices = ()

    def test_a_virtual_function_is_claimed_and_released(self):
        physical = machine.DEVICES["sriov"].bdf
        count = api.PCI / f"devices/{physical}/sriov_numvfs"
        probing = api.PCI / f"devices/{physical}/sriov_drivers_autoprobe"
        api.write_sysfs(probing, "0")  # the kernel's driver cannot use QEMU's VFs as they are
        self.addCleanup(api.write_sysfs, probing, "1")
        api.write_sysfs(count, "1")
        self.addCleanup(api.write_sysfs, count, "0")
        made = claim(selector={"physfn": physical})
        self.assertEqual([item["driver"] for item in made["devices"]], ["vfio-pci"], made)
        refused = api.request("PUT", f"/v1/devices/{physical}/binding", {"driver": None, "accept_risks": ["sriov.vfs_enabled"]})
        self.assertIn("claim.held", [item["code"] for item in refused.json["blockers"]], refused)
        released = api.request("DELETE", path_of(made)).json
        self.assertEqual((released["state"], released["reason"]), ("released", "it was released"))
