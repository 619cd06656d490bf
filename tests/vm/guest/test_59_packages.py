# SPDX-License-Identifier: Apache-2.0
"""The Debian packages that tests/packages/run has left in build/packages, as an administrator uses them: installed, used, upgraded in place while a
program has a device, removed, purged. Needs a machine without devbindd: tests/vm/run --no-daemon --filter 'test_59_packages*'."""

import json
import os
import pathlib
import subprocess
import unittest

import api
import machine

NEEDS_DAEMON = False
PACKAGES = sorted(pathlib.Path("/mnt/src/build/packages").glob("*.deb"))
NIC = machine.DEVICES["nic0"].bdf
# What of it must be gone after a purge.
TRACES = ("/etc/devbindd", "/var/lib/devbindd", "/run/devbindd", "/usr/sbin/devbindd", "/usr/bin/devbindctl", "/usr/lib/sysusers.d/devbindd.conf",
          "/etc/systemd/system/multi-user.target.wants/devbindd.service", "/lib/systemd/system/devbindd.service", "/lib/systemd/system/devbindd-keeper@.service", "/run/devbindd-keeper.sock")


def ctl(*words, status=0):
    done = subprocess.run(["devbindctl", *words], capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=120 * api.PACE)
    if done.returncode != status:
        raise AssertionError(f"devbindctl {' '.join(words)}: exit {done.returncode}\n{done.stdout}\n{done.stderr}")
    return done.stdout


def install(names):
    paths = [str(path) for path in PACKAGES if path.name.split("_")[0] in names]
    return api.sh("dpkg", "--force-unsafe-io", "--install", *paths, timeout=300)


def main_pid():
    return int(api.sh("systemctl", "show", "--value", "--property=MainPID", "devbindd"))


@api.timeout(900)
class Packages(unittest.TestCase):
    def setUp(self):
        pathlib.Path("/usr/sbin/policy-rc.d").unlink(missing_ok=True)  # the host's: there nothing is to be started
        pathlib.Path("/var/lib/man-db/auto-update").unlink(missing_ok=True)  # else every manual of the host is read again

    def test_installed_used_upgraded_removed_and_purged(self):
        install(("devbindd", "devbindctl", "devbindd-doc"))
        api.wait_for(lambda: api.sh("systemctl", "is-active", "devbindd", check=False).strip() == "active", what="the daemon is started")
        self.assertEqual(api.sh("systemctl", "is-enabled", "devbindd").strip(), "enabled")
        self.assertIn("devbindd", api.sh("getent", "group", "devbindd"))
        self.main_job()
        self.upgrade_under_a_consumer()
        # Whoever asks would start it again.
        api.sh("systemctl", "stop", "devbindd")
        api.sh("systemctl", "start", "devbindd.socket", "devbindd-claims.socket")
        ctl("bind", NIC)
        said = api.sh("dpkg", "--remove", "devbindd", timeout=300)
        self.assertIn(f"these devices stay on VFIO: {NIC}", said)
        self.assertTrue(pathlib.Path("/etc/devbindd/devbindd.json").exists(), "a removal keeps the configuration")
        self.assertEqual(api.sh("systemctl", "list-units", "--plain", "--no-legend", "--state=active", "devbindd*"), "", "what a removal leaves to run")
        ctl("status", status=1)
        api.sh("dpkg", "--purge", "devbindd", "devbindctl", "devbindd-doc", timeout=300)
        self.assertEqual([path for path in TRACES if os.path.lexists(path)], [])
        for database in ("group", "passwd"):
            self.assertEqual(api.sh("getent", database, "devbindd", check=False), "")

    def main_job(self):
        ctl("bind", NIC)
        self.assertEqual(api.driver_of(NIC), "vfio-pci")
        ctl("release", NIC)
        self.assertEqual(api.driver_of(NIC), "e1000e")

    def upgrade_under_a_consumer(self):
        consumer = subprocess.Popen(["devbindctl", "run", NIC, "--", "sh", "-c", "echo $$; exec cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        pid, daemon = int(consumer.stdout.readline()), main_pid()
        # By their numbers: the paths are those of the mount namespace of the daemon that opened them.
        nodes = [os.stat(f"/proc/{pid}/fd/{number}").st_rdev for number in (3, 4)]
        install(("devbindd",))
        self.assertNotEqual(main_pid(), daemon, "the upgrade has not restarted it")
        self.assertEqual([os.stat(f"/proc/{pid}/fd/{number}").st_rdev for number in (3, 4)], nodes)
        claims = json.loads(ctl("claims", "-f", "state=active", "-o", "json"))["items"]
        self.assertEqual([claim["request"]["pid"] for claim in claims], [pid])
        consumer.stdin.close()
        self.assertEqual(consumer.wait(60 * api.PACE), 0)
        self.assertEqual(api.driver_of(NIC), "e1000e")


if not PACKAGES:
    del Packages  # a run for it alone then fails: it has no test
