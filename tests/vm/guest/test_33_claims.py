"""Claims with real nodes, ACLs, udev and consumers: the owner can use the devices and nobody else, whatever happens to the
daemon; the end of a claim never pulls a device from under whoever has it open."""

import contextlib
import os
import pathlib
import resource
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

    def test_udev_and_chmod_do_not_take_it_away(self):
        made = claim(devices=[NIC], owner={"users": [OWNER]})
        node = made["devices"][0]["nodes"]["group"]["path"]
        for disturb in (f"udevadm trigger --action=change --name-match={node}", f"chmod 0600 {node}; udevadm trigger --action=add --name-match={node}"):
            api.sh(disturb)
            api.sh("udevadm", "settle", "--timeout=30")
            api.wait_for(lambda: may_open(node, OWNER), 10, f"the right to be back after {disturb}")
        self.assertFalse(may_open(node, STRANGER))

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
        said, _ = process.communicate("info pci\nquit\n", timeout=240)
        self.assertIn("8086:10d3", said.lower().replace(" ", ""), said)
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
        io = "qemu-io -f raw -c '{}' nvme://" + NVME + "/1"
        api.sh(io.format(f"write -P 0xa5 {offset} {size}"), timeout=200)
        self.assertIn("read 4096/4096", api.sh(io.format(f"read -P 0xa5 {offset} {size}"), timeout=200))
        self.assertEqual(api.request("DELETE", path_of(made), timeout=60).json["state"], "released")
        api.wait_for(lambda: pathlib.Path(f"/dev/{disk}").exists(), 30, "the disk to be back")
        with open(f"/dev/{disk}", "r+b") as device:
            device.seek(offset)
            self.assertEqual(device.read(size), b"\xa5" * size)
            device.seek(offset)
            device.write(original)
        self.assert_given_back()


@api.timeout(120)
class Cdi(Case):
    """podman finds the devices of a claim by their CDI names."""

    configuration = pathlib.Path("/etc/devbindd/devbindd.json")

    def setUp(self):
        super().setUp()
        before = self.configuration.read_text()
        self.addCleanup(api.sh, "systemctl restart devbindd")
        self.addCleanup(self.configuration.write_text, before)
        self.configuration.write_text('{"cdi_directory": "/run/cdi"}')
        api.sh("systemctl restart devbindd")
        api.wait_for(api.daemon_answers, 30, "the daemon")

    def test_podman_resolves_the_name_while_the_claim_is_there(self):
        made = claim(devices=[NIC])
        file = pathlib.Path(f"/run/cdi/devbindd-vfio-{made['id']}.json")
        self.assertEqual(file.read_text(), api.request("GET", path_of(made) + "/handover?format=cdi").text)
        name = made["cdi_names"][0]
        self.assertEqual(self.podman(name), "")
        api.sh("systemctl kill -s KILL devbindd")
        api.wait_for(api.daemon_answers, 40, "the next daemon")
        self.assertTrue(file.exists())
        self.assertEqual(api.request("DELETE", path_of(made)).json["state"], "released")
        self.assertFalse(file.exists())
        self.assertIn("unresolvable CDI devices " + name, self.podman(name))

    def podman(self, name):
        """What podman says against making a container with the device, "" for nothing."""
        root = pathlib.Path("/run/podman-test")
        (root / "rootfs").mkdir(parents=True, exist_ok=True)
        command = ["podman", "--root", root / "storage", "--runroot", root / "run", "--storage-driver", "vfs", "create", "--device", name]
        done = subprocess.run([*command, "--network", "none", "--rootfs", root / "rootfs", "true"], capture_output=True, text=True, timeout=90)
        return "" if done.returncode == 0 else done.stderr


@api.timeout(200)
class Kills(Case):
    """The daemon and its workers die while a claim is made or released; the next daemon brings it to an end."""

    devices = (NIC, PAIR0, PAIR1)

    def test_every_other_write_of_a_claim(self):
        points = 0
        for number in range(1, 10, 2):
            with self.subTest(f"making, write {number}"):
                points += self.cut_off(("POST", "/v1/claims", {"devices": [NIC, PAIR0]}), number)
                self.settle()
        for number in range(1, 10, 2):
            with self.subTest(f"releasing, write {number}"):
                made = claim(devices=[NIC, PAIR0])
                points += self.cut_off(("DELETE", path_of(made), None), number)
                api.wait_for(lambda made=made: state_of(made) != "releasing", 60, "the release")
                self.settle()
        print(f"{points} kill points, all good")
        self.assertGreater(points, 6)

    def cut_off(self, request, number):
        daemon = kill.daemon_pid()
        with kill.Tracer(daemon, "both", number, "after") as tracer:
            with contextlib.suppress(OSError, kill.http.client.HTTPException):
                kill.ask(request)
            if not tracer.has_reached():
                return 0
        api.wait_for(lambda: kill.daemon_pid() not in (None, daemon) and api.daemon_answers(), 40, "the next daemon")
        return 1

    def settle(self):
        """Every claim is active or over; an active one has its devices, and gives them back."""
        api.wait_for(kill.all_ended, 40, "no operation to be under way")
        for made in api.request("GET", "/v1/claims").json["items"]:
            self.assertIn(made["state"], ("active", "released", "lost"), made)
            if made["state"] == "active":
                self.assertEqual({item["driver"] for item in made["devices"]}, {"vfio-pci"}, made)
                self.assertEqual(api.request("DELETE", path_of(made)).json["state"], "released")
        self.assert_given_back()
