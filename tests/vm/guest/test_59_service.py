# SPDX-License-Identifier: Apache-2.0
"""The shipped unit and its sockets: the watchdog, activation by a socket, what `systemctl status` and the journal say, and what the unit forbids."""

import json
import os
import pathlib
import re
import signal
import stat
import time
import unittest

import api
import machine
import test_85_kill as kill

NIC = machine.DEVICES["nic0"].bdf
BINDING = f"/v1/devices/{NIC}/binding"
DROP_IN = pathlib.Path("/run/systemd/system/devbindd.service.d/test.conf")
KEEPERS_DROP_IN = pathlib.Path("/run/systemd/system/devbindd-keeper@.service.d/test.conf")
CLAIMS_SOCKET = "/run/devbindd/claims.sock"
SOCKETS = ("devbindd.socket", "devbindd-claims.socket", "devbindd-tcp.socket", "devbindd-tls.socket")
TLS = pathlib.Path("/run/tls")
STRANGER = 4242


def shown(name, unit="devbindd.service"):
    return api.sh("systemctl", "show", "-p", name, "--value", unit).strip()


def has_new_process(pid):
    return shown("MainPID") not in ("0", str(pid)) and api.daemon_answers()


class Changed(unittest.TestCase):
    """The service as one of the tests wants it, and afterwards as shipped."""

    def drop_in(self, text):
        DROP_IN.parent.mkdir(parents=True, exist_ok=True)
        DROP_IN.write_text("[Service]\n" + text)
        api.sh("systemctl", "daemon-reload")
        self.addCleanup(self.as_shipped)

    def with_configuration(self, path, more=""):
        KEEPERS_DROP_IN.parent.mkdir(parents=True, exist_ok=True)
        KEEPERS_DROP_IN.write_text(f"[Service]\nExecStart=\nExecStart=-/usr/sbin/devbindd --keep --config {path}\n")
        self.drop_in(f"ExecStart=\nExecStart=/usr/sbin/devbindd --config {path}\n{more}")

    @staticmethod
    def as_shipped():
        DROP_IN.unlink(missing_ok=True)
        KEEPERS_DROP_IN.unlink(missing_ok=True)
        api.sh("systemctl", "daemon-reload")
        api.sh("systemctl", "stop", *SOCKETS, check=False)
        api.sh("systemctl reset-failed devbindd; systemctl restart devbindd", check=False)
        api.wait_for(api.daemon_answers, 40, "the daemon as shipped")


@api.timeout(180)
class Watchdog(Changed):
    def setUp(self):
        self.drop_in(f"WatchdogSec={int(5 * api.PACE)}\n")
        api.sh("systemctl", "restart", "devbindd")
        self.pid = int(shown("MainPID"))

    def test_a_daemon_that_works_is_left_alone(self):
        end = time.monotonic() + 12 * api.PACE
        while time.monotonic() < end:
            self.assertEqual(api.request("GET", "/v1/vfio").status, 200)
            time.sleep(0.5)
        self.assertEqual((int(shown("MainPID")), shown("NRestarts")), (self.pid, "0"))

    def test_a_daemon_that_hangs_is_replaced(self):
        os.kill(self.pid, signal.SIGSTOP)
        api.wait_for(lambda: has_new_process(self.pid), 60, "a new daemon")
        self.assertEqual(shown("NRestarts"), "1")
        self.assertIn("Watchdog timeout", api.sh("journalctl", "-u", "devbindd", "-o", "cat", "-n", "200"))
        self.assertEqual(api.request("PUT", BINDING, {"driver": "vfio-pci"}).status, 200)
        self.assertEqual(api.request("DELETE", BINDING).json["driver"], "e1000e")

    def test_a_daemon_whose_workers_do_not_answer_is_replaced(self):
        self.addCleanup(api.sh, "pkill", "-CONT", "-x", "devbindd-worker", check=False)

        def replaced():
            if shown("MainPID") == str(self.pid):
                api.sh("pkill", "-STOP", "-x", "devbindd-worker", check=False)
                return False
            return has_new_process(self.pid)
        api.wait_for(replaced, 100, "a new daemon")
        self.assertEqual(shown("NRestarts"), "1")


@api.timeout(120)
class Sockets(Changed):
    def setUp(self):
        self.addCleanup(self.as_shipped)
        api.sh("systemctl", "stop", "devbindd")

    def activated(self, *units):
        api.sh("systemctl", "start", *units)
        self.assertEqual(shown("ActiveState"), "inactive")

    def test_the_first_request_starts_the_daemon(self):
        self.activated("devbindd.socket")
        found = os.stat(api.SOCKET)
        group = int(api.sh("getent", "group", "devbindd").split(":")[2])
        self.assertEqual((stat.S_IMODE(found.st_mode), found.st_uid, found.st_gid), (0o660, 0, group))
        self.assertEqual(api.request("PUT", BINDING, {"driver": "vfio-pci"}).status, 200)
        self.assertEqual(shown("ActiveState"), "active")
        api.sh("systemctl", "restart", "devbindd")
        self.assertEqual(os.stat(api.SOCKET).st_ino, found.st_ino, "the socket is another one after a restart")
        self.assertEqual(api.request("DELETE", BINDING).json["driver"], "e1000e")

    def test_who_asks_while_it_restarts_is_answered(self):
        self.activated("devbindd.socket")
        self.assertEqual(api.request("GET", "/healthz").status, 200)
        api.sh("systemctl", "restart", "--no-block", "devbindd")
        for _ in range(20):
            self.assertEqual(api.request("GET", "/healthz").status, 200)

    def test_owners_of_claims_have_their_own_door(self):
        self.activated("devbindd.socket", "devbindd-claims.socket")
        self.assertEqual(api.request("GET", "/healthz").status, 200)
        with api.acting_as(STRANGER, STRANGER):
            self.assertEqual(api.request("GET", "/v1/claims", socket_path=CLAIMS_SOCKET).json["items"], [])
            self.assertEqual(api.request("GET", "/v1/devices", socket_path=CLAIMS_SOCKET).json["code"], "forbidden")
            self.assertRaises(PermissionError, api.request, "GET", "/healthz")

    def test_a_port_is_for_reading_and_at_loopback_alone(self):
        self.activated("devbindd-tcp.socket")
        metrics = api.sh("curl", "--silent", "--fail", "http://127.0.0.1:8480/metrics")
        self.assertRegex(metrics, r'(?m)^devbindd_devices\{driver="e1000e",category="network"\} [1-9]')
        status = api.sh("curl", "--silent", "--output", "/dev/null", "--write-out", "%{http_code}", "-X", "PUT", "-H", "Content-Type: application/json",
                        "-d", '{"driver": "vfio-pci"}', f"http://127.0.0.1:8480{BINDING}")
        self.assertEqual(status, "403")
        self.assertEqual(api.request("GET", "/healthz").status, 200, "it has made its own Unix socket")
        api.sh("systemctl", "stop", "devbindd.service", "devbindd-tcp.socket")
        elsewhere = pathlib.Path("/run/systemd/system/devbindd-tcp.socket.d/test.conf")
        elsewhere.parent.mkdir(parents=True, exist_ok=True)
        elsewhere.write_text("[Socket]\nListenStream=\nListenStream=0.0.0.0:8480\n")
        self.addCleanup(elsewhere.unlink)
        api.sh("systemctl", "daemon-reload")
        self.activated("devbindd-tcp.socket")
        api.sh("systemctl", "start", "devbindd", check=False)
        self.assertIn("which is no loopback address", api.sh("journalctl", "-u", "devbindd", "-o", "cat", "-n", "20"))
        self.assertNotEqual(shown("ActiveState"), "active")


@api.timeout(120)
class Tls(Changed):
    """A port for other hosts: the socket by systemd, the key as one of its credentials, a reload that keeps the daemon."""

    ISSUE = """
mkdir -p {folder}; cd {folder}; umask 077
new() {{ openssl req -nodes -newkey ec -pkeyopt ec_paramgen_curve:P-256 -subj /CN=$1 -keyout $1.key "${{@:2}}" 2>&1; }}
new ca -x509 -days 2 -out ca.pem
for name in localhost orchestrator; do
  new $name -out $name.csr
  openssl x509 -req -days 2 -in $name.csr -CA ca.pem -CAkey ca.key -CAcreateserial -extfile <(echo subjectAltName=DNS:$name) -out $name.pem 2>&1
done"""

    def setUp(self):
        api.sh(self.ISSUE.format(folder=TLS))
        self.rule("reader")
        self.with_configuration(TLS / "devbindd.json", f"LoadCredential=tls-key:{TLS}/localhost.key\n")
        api.sh("systemctl", "stop", "devbindd")
        api.sh("systemctl", "start", "devbindd-tls.socket")

    @staticmethod
    def rule(role):
        (TLS / "devbindd.json").write_text(json.dumps({
            "tls": {"certificate": f"{TLS}/localhost.pem", "key": "credential:tls-key", "client_ca": f"{TLS}/ca.pem"},
            "access": [{"who": {"certificate": "dns:orchestrator"}, "role": role}]}))

    @staticmethod
    def curl(*arguments, client=("--cert", f"{TLS}/orchestrator.pem", "--key", f"{TLS}/orchestrator.key"), path=BINDING, check=True):
        return api.sh("curl", "--silent", "--show-error", "--max-time", "30", "--cacert", f"{TLS}/ca.pem", *client, *arguments, f"https://localhost:8481{path}", check=check)

    def test_a_certificate_moves_a_device_once_its_rule_says_so(self):
        to_vfio = ("-X", "PUT", "-H", "Content-Type: application/json", "-d", '{"driver": "vfio-pci"}')
        self.assertEqual(json.loads(self.curl(path="/v1/whoami"))["certificate"], "dns:orchestrator")
        self.assertEqual(json.loads(self.curl(*to_vfio))["code"], "forbidden")
        pid = shown("MainPID")
        self.rule("operator")
        api.sh("systemctl", "reload", "devbindd")
        api.wait_for(lambda: json.loads(self.curl(path="/v1/whoami"))["role"] == "operator", 20, "the new rule")
        self.assertEqual(json.loads(self.curl(*to_vfio))["driver"], "vfio-pci")
        self.assertEqual(api.driver_of(NIC), "vfio-pci")
        operation = api.request("GET", "/v1/operations").json["items"][0]
        self.assertEqual((operation["requested_by"]["transport"], operation["requested_by"]["certificate"]), ("tls", "dns:orchestrator"))
        self.assertEqual(json.loads(self.curl("-X", "DELETE"))["driver"], "e1000e")
        self.assertEqual(shown("MainPID"), pid, "the daemon is another one after a reload")

    def test_who_has_no_certificate_hears_nothing(self):
        self.assertIn("alert", self.curl(client=(), path="/healthz", check=False))


class Unit(Changed):
    def test_a_port_of_the_configuration_is_refused_with_what_to_do(self):
        configuration = pathlib.Path("/run/tcp.json")
        configuration.write_text('{"tcp": {"address": "127.0.0.1", "port": 8481}}')
        self.with_configuration(configuration, "Restart=no\n")
        api.sh("systemctl", "restart", "devbindd", check=False)
        self.assertIn("systemctl enable --now devbindd-tcp.socket", api.sh("journalctl", "-u", "devbindd", "-o", "cat", "-n", "20"))

    def test_two_processes_with_two_configurations_do_not_start(self):
        configuration = pathlib.Path("/run/other.json")
        configuration.write_text("{}")
        self.drop_in(f"ExecStart=\nExecStart=/usr/sbin/devbindd --config {configuration}\nRestart=no\n")
        api.sh("systemctl", "restart", "devbindd", check=False)
        told = api.sh("journalctl", "-u", "devbindd", "-o", "cat", "-n", "20")
        self.assertIn("goes by /run/other.json, and the one that starts its workers by /etc/devbindd/devbindd.json", told)

    def test_it_is_in_order_before_those_who_take_devices(self):
        before = shown("Before").split()
        for unit in ("libvirtd.service", "kubelet.service"):
            self.assertIn(unit, before)

    def test_the_metrics_tell_of_the_process(self):
        metrics = api.request("GET", "/metrics").text
        pid = shown("MainPID")
        resident = int(re.search(r"VmRSS:\s+(\d+)", pathlib.Path(f"/proc/{pid}/status").read_text()).group(1)) * 1024
        told = float(re.search(r"(?m)^process_resident_memory_bytes (\S+)$", metrics).group(1))
        self.assertLess(abs(told - resident), resident / 4)
        self.assertGreater(float(re.search(r"(?m)^process_open_fds (\S+)$", metrics).group(1)), 10)


@api.timeout(120)
class Shown(unittest.TestCase):
    def test_systemctl_status_names_what_is_blocked(self):
        self.assertEqual(api.request("PUT", BINDING, {"driver": "vfio-pci"}).status, 200)
        holder = api.Holder(NIC)
        try:
            self.assertEqual(api.request("DELETE", BINDING + "?accept_risks=vfio.open", timeout=50).status, 202)
            api.wait_for(lambda: f"1 operation blocked (restore of {NIC})" in shown("StatusText"), 10, "the status of a blocked operation")
        finally:
            holder.release()
        api.wait_for(kill.all_ended, 40, "the operation's end")
        api.wait_for(lambda: "operation" not in shown("StatusText"), 10, "the status without it")
        self.assertRegex(shown("StatusText"), r"^\d+ PCI devices")

    def test_the_journal_has_each_line_of_the_audit_by_field(self):
        trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
        self.assertEqual(api.request("PUT", BINDING, {"driver": "vfio-pci"}, {"traceparent": trace}).status, 200)
        self.assertEqual(api.request("DELETE", BINDING).json["driver"], "e1000e")

        def lines():
            found = api.sh("journalctl", "-o", "json", "MESSAGE_ID=c3b4aaee335c4978bd21601f0ec9f6ec", f"DEVBINDD_TRACEPARENT={trace}")
            return [json.loads(line) for line in found.splitlines() if line.startswith("{")]
        found = api.wait_for(lambda: len(lines()) == 2 and lines(), 20, "two lines")
        self.assertEqual([line["DEVBINDD_EVENT"] for line in found], ["begun", "ended"])
        for line in found:
            self.assertEqual((line["DEVBINDD_KIND"], line["DEVBINDD_UID"], line["DEVBINDD_DEVICE"], line["DEVBINDD_DRIVER"], line["_SYSTEMD_UNIT"]),
                             ("bind", "0", NIC, "vfio-pci", "devbindd.service"))
        self.assertEqual(found[1]["MESSAGE"], f"bind of {NIC} to vfio-pci for uid 0: succeeded")
