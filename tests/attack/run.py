#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Attacks on the daemon as users of the host would do them, and what root gets meanwhile. Usage: run.py ATTACK_DAEMON [--long] [--print-times]

For each attack a row: how long root's questions take over a connection that stays and over new ones, and what becomes of
his changes, beside the figures of the same daemon without an attack. What must hold of each row: the attack took place,
every change succeeded and every question was answered, and 99 of 100 questions took no longer than so many times what they
take when nobody attacks, or when attackers only burn the processor (LIMITS). Times below FLOOR are no news: they are the
scheduler's.
"""
import argparse
import dataclasses
import os
import shutil
import signal
import sys
import tempfile
import time

import attacks
from aside import Aside

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../contract"))

import root  # noqa: E402
from harness import Daemon, Report  # noqa: E402

NOBODY = 65534
USERS = (65534, 65529, 65530, 65531, 65532)  # readers who are several
MEMBER, GROUP = 65528, 65527  # who may change things without being root
LIMITS = {"established": 2, "new": 5}  # times what it takes without an attack
FLOOR = 2.0  # milliseconds
CARD = attacks.card(0)  # that root moves
CLAIMED = attacks.card(63)  # in the way of whoever wants to change it
CLAIMABLE = "1521"
FEW_DEVICES = 60
REFUSED = "refused changes, a reader's and root's"
AUDIT_ROWS = 1000
QUICK = 0.05  # seconds
PATIENCE = 60.0
REPEATS = 2
LONGER = 4  # times as long, where an attack was none
RECOVERY = 1.0  # seconds after which nothing may be left of an attack
LOG_LINES = 60  # that a second may leave in the log, whatever is asked


# What the daemon does not hold yet, on two cores and a host with 8,000 functions and IOMMU groups: printed, and no failed test.
# Each operation that was accepted has a worker of its own, and a kernel with autogroups gives every session a share: with 40 of
# them at work, each with a third of the daemon's share, its thread waits up to 16 ms for a core.
WORKERS = "worker processes take the processor from the daemon"
# The journal's reads, the rendering and the attackers want the cores at the same time; the p99 is from 5 to 10 ms.
AUDIT = "reading and rendering take the processor from the thread that answers"


@dataclasses.dataclass(frozen=True)
class Form:
    """How long and how large."""

    seconds: float
    cards: int
    users: int  # who ask at once
    times: bool = True  # they are judged, and not only printed


SHORT = Form(seconds=3.0, cards=8000, users=1)
LONG = Form(seconds=30.0, cards=8000, users=3)


@dataclasses.dataclass(frozen=True)
class Attack:
    """`works`: (work, uid, gid) of each process, and its nice value where that is not an attacker's. `shape`: counts -> "", or why it
    was no attack."""

    name: str
    works: tuple
    shape: object
    ends: bool = False  # by itself
    times: int = 1  # as long as others: each of its questions takes long
    known: str = ""  # what is beyond a limit is known, and why


class AttackedDaemon:
    """The daemon with its host, its journal and its log in folders of their own; also a context manager."""

    def __init__(self, binary, cards, claimable, *options):
        memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
        self.host = tempfile.mkdtemp(prefix="devbindd_host_", dir=memory)
        self.state = tempfile.mkdtemp(prefix="devbindd_state_")
        self.log = os.path.join(self.state, "log")
        worker = os.path.join(os.path.dirname(os.path.abspath(binary)), "test_worker")
        self.daemon = Daemon(binary, f"--host={self.host}", f"--state={self.state}/state.db", f"--log={self.log}", f"--worker={worker}",
                             f"--cards={cards}", f"--claimable={claimable}", f"--group={GROUP}", *options)
        os.chmod(self.daemon.directory, 0o755)  # everybody may come to the socket
        self.path, self.port, self.pid = self.daemon.path, self.daemon.port, self.daemon.process.pid

    def __enter__(self):
        return self

    def __exit__(self, *_):
        try:
            self.daemon.stop()
        finally:
            shutil.rmtree(self.host, ignore_errors=True)
            shutil.rmtree(self.state, ignore_errors=True)

    def ask(self, data):
        with root.connected(self.path)[0] as connection:
            connection.send(data)
            return connection.answer()

    def log_lines(self):
        with open(self.log, encoding="utf-8", errors="replace") as log:
            return sum(1 for _ in log)

    def processor(self):
        """Seconds that it and its workers have taken so far."""
        taken = {"daemon": 0.0, "workers": 0.0}
        for name in os.listdir("/proc"):
            if not name.isdigit():
                continue
            try:
                with open(f"/proc/{name}/stat", encoding="utf-8", errors="replace") as stat:
                    fields = stat.read().rpartition(")")[2].split()
            except OSError:
                continue  # it has ended
            if int(name) == self.pid:
                taken["daemon"] += seconds_of(fields[11:13])
                taken["workers"] += seconds_of(fields[13:15])
            elif int(fields[1]) == self.pid:
                taken["workers"] += seconds_of(fields[11:13])
        return taken


def seconds_of(ticks):
    return sum(int(field) for field in ticks) / os.sysconf("SC_CLK_TCK")


def no_attack(*_):
    return ""


def at_least(**wanted):
    """The names of counts, with _ for a blank: each must have come to this."""
    def shape(counts):
        for name, least in wanted.items():
            name = name.strip("_").replace("_", " ")
            if counts.get(name, 0) < least:
                return f"{name}: {counts.get(name, 0)}, which is less than {least}: {counts}"
        return ""
    return shape


def answered(least):
    return at_least(_200=least)


def claims_made(devices, clients):
    def shape(counts):
        outcome = {status: counts.get(status, 0) for status in ("201", "409")}
        return "" if outcome == {"201": devices, "409": clients - devices} else f"{counts}"
    return shape


def readers_of(daemon, data, clients):
    """(work, uid, gid) of so many readers: as many over the Unix socket as one user may have, the others over TCP."""
    over_unix = min(clients, 60)
    return (attacks.asking((over_unix, daemon.path, data), (clients - over_unix, daemon.port, data)), NOBODY, None)


def by_questions(daemon, form):
    """Readers who ask for much."""
    several = USERS[:form.users]
    groups, one = attacks.get("/v1/iommu-groups"), attacks.get("/v1/iommu-groups?page_size=1")
    yield Attack("60 readers ask for dry runs of 40 items",
                 tuple((attacks.asking((60, daemon.path, attacks.dry_run())), uid, None) for uid in several),
                 at_least(connected=60, _200=1), times=3)
    yield Attack("200 readers of the audit", (readers_of(daemon, attacks.get("/v1/audit"), 200),), answered(100), known=AUDIT)
    yield Attack("64 readers of IOMMU groups, one a page and whole lists",
                 tuple((attacks.asking((32, daemon.path, one), (28, daemon.path, groups), (4, daemon.port, groups)), uid, None)
                       for uid in several), answered(50))
    yield Attack("1 reader of the largest list without a pause", ((attacks.asking((1, daemon.port, attacks.get("/v1/devices"))), NOBODY, None),), answered(10))
    for name in ("doctor", "iommus"):
        yield Attack(f"32 readers of {name}", ((attacks.asking((32, daemon.path, attacks.get(f"/v1/{name}"))), NOBODY, None),),
                     at_least(connected=32, _200=1), times=2)
    yield Attack("lists are asked for and nobody waits", ((attacks.leaving(daemon.path, attacks.get("/v1/devices")), NOBODY, None),
                                                          (attacks.leaving(daemon.port, groups), NOBODY, None)),
                 at_least(left=200))


def by_connections(daemon, form):
    """Whoever is many, slow, or says nothing."""
    yield Attack("idle connections: 256 over TCP, 64 of each of 5 users over Unix",
                 ((attacks.idling((256, daemon.port)), NOBODY, None), *((attacks.idling((64, daemon.path)), uid, None) for uid in USERS)),
                 at_least(held=300))
    yield Attack("200 never read their answer", ((attacks.never_reading(200, daemon.port, attacks.get("/openapi.yaml")), NOBODY, None),),
                 at_least(unread=200))
    yield Attack("heads and bodies byte by byte", ((attacks.dribbling(60, daemon.path, daemon.port), NOBODY, None),),
                 at_least(dribbled=1000))
    slow = (("reads", "-X"), ("heads", "-H"), ("bodies", "-B"))
    for what, mode in slow if form.users > 1 else slow[:1]:
        yield Attack(f"slowhttptest: 1,000 slow {what}", ((attacks.slowly(mode, daemon.port, "/v1/devices"), NOBODY, None),), at_least(opened=900))
    yield Attack("connects and closes without a pause", ((attacks.connecting_and_closing(daemon.path), NOBODY, None),
                                                         (attacks.connecting_and_closing(daemon.port), NOBODY, None)),
                 at_least(connected=1000))
    yield Attack("connects without a pause, until the queue is full",
                 tuple((attacks.connecting(daemon.path), uid, None) for uid in USERS[:form.users]), at_least(connected=1000))


def by_requests(daemon):
    """Whoever sends what is refused, or odd."""
    refused = attacks.change_of(CLAIMED)
    yield Attack(REFUSED, ((attacks.asking((32, daemon.path, refused)), NOBODY, None), (attacks.asking((8, daemon.path, refused)), 0, 0)),
                 at_least(_403=100, _409=50), known=WORKERS)
    yield Attack("pipelines of 100", ((attacks.pipelining(24, daemon.path, daemon.port), NOBODY, None),), answered(2000))
    yield Attack("100 HTTP oddities a second", ((attacks.sending_oddities(daemon.path, daemon.port), NOBODY, None),),
                 at_least(answered=200))


def by_claims(daemon, clients, devices):
    yield Attack(f"{clients} clients claim {devices} devices at once",
                 ((attacks.claiming(clients, daemon.path, CLAIMABLE), MEMBER, GROUP),), claims_made(devices, clients), ends=True,
                 known=WORKERS)


def attacks_on(daemon, form):
    yield from by_requests(daemon)  # first: the audit is full then
    yield from by_questions(daemon, form)
    yield from by_connections(daemon, form)
    yield from by_claims(daemon, 100, FEW_DEVICES)


@dataclasses.dataclass
class Row:
    name: str
    asked: dict
    changed: dict
    counts: dict
    processor: dict
    seconds: float
    recovery: float  # seconds from the attack's end until root was answered at once


def recovered(daemon):
    """Waits until the daemon has done what attackers have left to it; gives the seconds."""
    begun, quick = time.monotonic(), 0
    while quick < 5 and time.monotonic() < begun + PATIENCE:
        asked = time.monotonic()
        status, _ = root.asked_anew(daemon.path)
        quick = quick + 1 if status == 200 and time.monotonic() - asked < QUICK else 0
    return time.monotonic() - begun


def measured(daemon, attack, seconds):
    """One row: what root gets while the attackers are at it."""
    attackers = []
    try:
        attackers = [Aside(*work) for work in attack.works]
        for attacker in attackers:
            attacker.wait_ready()
        before, begun = daemon.processor(), time.monotonic()
        beside = [Aside(root.ask(daemon.path)), Aside(root.change(daemon.path, CARD))]
        for one in beside:
            one.wait_ready()
        if attack.ends:
            for attacker in attackers:
                attacker.wait_end()
        else:
            time.sleep(seconds * attack.times)
        asked, changed = (one.stop() for one in beside)
        after, took = daemon.processor(), time.monotonic() - begun
    finally:
        found = [attacker.stop() for attacker in attackers]
    recovery = recovered(daemon)
    counts, processor = {}, {name: after[name] - before[name] for name in after} | {"attackers": 0.0}
    for one in found:
        processor["attackers"] += one.pop("processor")
        for name, count in one.items():
            counts[name] = counts.get(name, 0) + count
    return Row(attack.name, asked, changed, counts, processor, took, recovery)


def measured_well(daemon, attack, seconds, idle, times):
    """What is beyond a limit is measured again: other processes of the host come and go, and a fault stays."""
    best = measured(daemon, attack, seconds)
    # Where something else takes the processors too, few of the attackers' questions are answered in that time.
    for _ in range(0 if attack.ends else REPEATS):
        if attack.shape(best.counts):
            best = measured(daemon, attack, LONGER * seconds)
    for _ in range(0 if attack.ends or attack.known or not times else REPEATS):
        if changes_fault(best) or not any(time_fault(best, idle, kind) for kind in LIMITS):
            break
        again = measured(daemon, attack, seconds)
        if changes_fault(again) or beyond(again, idle) < beyond(best, idle):
            best = again
    return best


def beyond(row, idle):
    return max(row.asked[kind]["p99"] / limit_of(idle, kind) for kind in LIMITS)


def idle_of(rows):
    """What root's questions take without an attack, at most: 99 of 100 of them, in milliseconds."""
    return {kind: max(row.asked[kind]["p99"] for row in rows) for kind in LIMITS}


def limit_of(idle, kind):
    return max(FLOOR, LIMITS[kind] * idle[kind])


def judged(report, attack, row, idle, times):
    report.check(f"{attack.name}: it is an attack", lambda: attack.shape(row.counts))
    for what, fault in faults_of(row, idle):
        if fault and (attack.known or (what in TIMED and not times)):
            print(f"beyond the limit: {attack.name}: {what}: {fault} ({'known: ' + attack.known if attack.known else 'not judged here'})", flush=True)
        else:
            report.check(f"{attack.name}: {what}", lambda why=fault: why)


TIMED = ("nothing is left of it", "an answer over an established connection", "an answer over a new connection")


def faults_of(row, idle):
    """(what must hold, "" or how it does not)"""
    unanswered = row.asked["unanswered"]
    yield "root's changes succeed", changes_fault(row)
    yield "root is answered", f"{unanswered} questions were not" if unanswered else ""
    yield "nothing is left of it", f"root waits for {row.recovery:.1f} s more" if row.recovery > RECOVERY else ""
    yield "an answer over an established connection", time_fault(row, idle, "established")
    yield "an answer over a new connection", time_fault(row, idle, "new")


def changes_fault(row):
    changed = row.changed
    if changed["succeeded"] == changed["tried"] > 0:
        return ""
    return f"{changed['succeeded']} of {changed['tried']}; the first that did not: {changed['wrong']}"


def time_fault(row, idle, kind):
    p99, limit = row.asked[kind]["p99"], limit_of(idle, kind)
    return "" if p99 <= limit else f"p99 is {p99:.1f} ms, and {limit:.1f} is the limit: {idle[kind]:.1f} without an attack"


HEADINGS = ("attack", "established", "new connection", "changes of root's", "processor: attackers,", "the attackers' side")
UNDER = ("", "p50   p99 ms  x idle", "p50   p99 ms  x idle", "tried good refused failed  p50  p99 ms", "daemon, workers", "")


def cells(row, idle):
    def times(kind):
        found = row.asked[kind]
        return f"{found['p50']:5.1f} {found['p99']:7.1f} {found['p99'] / idle[kind]:6.1f}"
    changed = row.changed
    share = " ".join(f"{100 * row.processor[name] / row.seconds:4.0f} %" for name in ("attackers", "daemon", "workers"))
    counts = ", ".join(f"{name}: {count}" for name, count in sorted(row.counts.items()) if name not in ("turns", "bytes"))
    if row.recovery > RECOVERY:
        counts += f"; root waits for {row.recovery:.1f} s more"
    if row.asked["queue_full"]:
        counts += f"; root's own queue full (EAGAIN): {row.asked['queue_full']} of {row.asked['new']['count']}"
    return (row.name, times("established"), times("new"),
            f"{changed['tried']:5} {changed['succeeded']:4} {changed['refused']:7} {changed['failed']:6} "
            f"{changed['times']['p50']:5.0f} {changed['times']['p99']:6.0f}", share, counts)


def print_table(rows, idle):
    lines = [HEADINGS, UNDER] + [cells(row, idle) for row in rows]
    widths = [max(len(line[at]) for line in lines) for at in range(len(HEADINGS))]
    print("\n=== what root gets while others attack")
    for line in lines:
        print("  ".join(text.ljust(width) for text, width in zip(line, widths)).rstrip())
    print(flush=True)


def audit_rows(daemon):
    """How many lines the audit has."""
    count, token = 0, ""
    while token is not None:
        page = daemon.ask(attacks.get("/v1/audit?page_size=1000" + (f"&page_token={token}" if token else ""))).json()
        count += len(page["items"])
        token = page["next_page_token"]
    return count


def bounded(report, daemon, row, lines):
    kept = audit_rows(daemon)
    row.counts |= {"lines in the log": lines, "in the audit": kept}
    report.check(f"{REFUSED}: the log stays bounded",
                 lambda: "" if lines <= LOG_LINES * row.seconds else f"{lines} lines in {row.seconds:.1f} s")
    report.check(f"{REFUSED}: the audit stays bounded", lambda: "" if 0 < kept <= AUDIT_ROWS else f"{kept} lines")


QUIET = Attack("nobody attacks", (), no_attack)
# What is left of root's time when others take the processor without the daemon: as attackers do, and as the daemon's worker
# processes do, each of which is a session of its own.
CONTROLS = (Attack("control: 2 processes burn the processor", ((attacks.burning, NOBODY, None),) * 2, no_attack),
            Attack("control: 8 do, as worker processes may", ((attacks.burning, NOBODY, None, 0),) * 8, no_attack))


def attack_all(report, binary, form, only):
    with AttackedDaemon(binary, form.cards, FEW_DEVICES, f"--audit-rows={AUDIT_ROWS}") as daemon:
        made = daemon.ask(attacks.with_json("POST", "/v1/claims", {"devices": [CLAIMED]}))
        report.check("a device is claimed", lambda: "" if made.status == 201 else f"{made.status} {made.body[:300]!r}")
        quiet = [measured(daemon, attack, form.seconds) for attack in (QUIET, *CONTROLS)]
        done = []
        for attack in attacks_on(daemon, form):
            if only not in attack.name:
                continue
            if attack.ends:
                quiet.append(measured(daemon, QUIET, form.seconds))  # before it: what it makes stays, and has its price
            lines = daemon.log_lines()
            row = measured_well(daemon, attack, form.seconds, idle_of(quiet[:2]), form.times)
            done.append((attack, row))
            if attack.name == REFUSED:
                bounded(report, daemon, row, daemon.log_lines() - lines)
    idle = idle_of(quiet[:2] + quiet[3:])  # the second control is what workers may do, and no excuse
    print_table(quiet + [row for _, row in done], idle)
    for attack, row in done:
        judged(report, attack, row, idle, form.times)


def many_claims(report, binary, clients, devices):
    """More clients than the daemon has connections by default: the administrator has raised that."""
    with AttackedDaemon(binary, 64, devices, "--connections=4096") as daemon:
        attack = next(by_claims(daemon, clients, devices))
        quiet = measured(daemon, QUIET, 5)
        row = measured(daemon, attack, 0)
        idle = idle_of([quiet])
        print_table([quiet, row], idle)
        judged(report, attack, row, idle, True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("binary")
    parser.add_argument("--long", action="store_true")
    parser.add_argument("--only", default="", help="the attacks with this in their name")
    parser.add_argument("--seconds", type=float, help="of each row")
    parser.add_argument("--print-times", action="store_true",
                        help="and do not judge them: beside other suites the scheduler decides them")
    chosen = parser.parse_args()
    if os.geteuid() != 0:
        sys.exit("the attackers are other users: this needs root")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # and not without what is behind "finally"
    report = Report()
    form = LONG if chosen.long else SHORT
    if chosen.seconds:
        form = dataclasses.replace(form, seconds=chosen.seconds)
    form = dataclasses.replace(form, times=not chosen.print_times)
    attack_all(report, chosen.binary, form, chosen.only)
    if chosen.long:
        many_claims(report, chosen.binary, 1000, 264)
    return report.end()


if __name__ == "__main__":
    sys.exit(main())
