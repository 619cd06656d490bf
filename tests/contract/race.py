#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Many clients at once: for one device exactly one wins, and for different devices nobody loses. Usage: race.py CONTRACT_DAEMON"""
import collections
import contextlib
import sys
import time

from harness import Daemon, Report, request_bytes

CLIENTS = 64
ROUNDS = 200
CARDS = [f"0000:{bus:02x}:00.0" for bus in range(0x20, 0x38)]  # machine.cpp: each alone in its group
LIMIT = 240.0  # seconds for everything


def binding(address):
    return f"/v1/devices/{address}/binding"


def put(address):
    return request_bytes("PUT", binding(address), {"Content-Type": "application/json"}, b'{"driver":"vfio-pci"}')


def at_once(connections, requests):
    """The answers to one request over each connection, which all get their last byte at the same time."""
    for connection, request in zip(connections, requests):
        connection.send(request[:-1])
    for connection, request in zip(connections, requests):
        connection.send(request[-1:])
    return [connection.answer() for connection in connections]


def outcome(answer):
    """("changed" | "busy", the operation) or ("unchanged", None); everything else is an error."""
    body = answer.json()
    if answer.status == 200 and body["driver"] == "vfio-pci":
        if body["changed"] == (body["operation"] is not None):
            return "changed" if body["changed"] else "unchanged", body["operation"]
    if answer.code() == "operation_in_progress" and answer.status == 409 and body["operation"].startswith("/v1/operations/"):
        return "busy", body["operation"]
    raise AssertionError(f"{answer.status} {answer.body[:400]!r}")


def fault_of(outcomes):
    """What is wrong with the answers to those who wanted the same device, or ""."""
    winners = [operation for kind, operation in outcomes if kind == "changed"]
    if len(winners) != 1:
        return f"{len(winners)} clients changed something"
    others = {operation for kind, operation in outcomes if kind == "busy"}
    if others - set(winners):
        return f"409 names {others}, the winner's is {winners[0]}"
    return ""


def give_back(connection, address):
    connection.send(request_bytes("DELETE", binding(address)))
    answer = connection.answer()
    if answer.status != 200 or answer.json()["driver"] != "e1000e":
        raise AssertionError(f"give-back: {answer.status} {answer.body[:400]!r}")


class Race:
    def __init__(self, daemon):
        self.daemon = daemon
        self.end = time.monotonic() + LIMIT

    def clients(self, stack):
        return [stack.enter_context(self.daemon.connect()) for _ in range(CLIENTS)]

    def in_time(self):
        if time.monotonic() > self.end:
            raise AssertionError(f"it took longer than {LIMIT:.0f} s")

    def for_one(self):
        counts = collections.Counter()
        address = CARDS[0]
        with contextlib.ExitStack() as stack:
            clients = self.clients(stack)
            for number in range(ROUNDS):
                self.in_time()
                # Another client is the first each time.
                order = clients[number % CLIENTS:] + clients[:number % CLIENTS]
                outcomes = [outcome(answer) for answer in at_once(order, [put(address)] * CLIENTS)]
                fault = fault_of(outcomes)
                if fault:
                    return f"round {number}: {fault}"
                if self.daemon.control(f"binding {address}") != "vfio-pci override vfio-pci":
                    return f"round {number}: {self.daemon.control(f'binding {address}')}"
                counts.update(kind for kind, _ in outcomes)
                give_back(order[-1], address)
        print(f"{CLIENTS} clients, {ROUNDS} rounds: {counts['changed']} changed it, {counts['busy']} were told 409 with the winner's "
              f"operation, {counts['unchanged']} came after it (200, unchanged)")
        return "" if counts["busy"] >= ROUNDS else "hardly anybody met the winner while he was at it: this was no race"

    def bind_and_give_back_against_each_other(self):
        """Half want it bound, half want it given back: the operations alternate, and the last one's end is what the kernel shows."""
        address = CARDS[1]
        wishes = [put(address), request_bytes("DELETE", binding(address))] * (CLIENTS // 2)
        with contextlib.ExitStack() as stack:
            clients = self.clients(stack)
            for number in range(ROUNDS // 4):
                self.in_time()
                answers = at_once(clients, wishes)
                wrong = [answer for answer in answers if answer.status != 200 and answer.code() != "operation_in_progress"]
                if wrong:
                    return f"round {number}: {wrong[0].status} {wrong[0].body[:400]!r}"
                changed = [answer.json() for answer in answers if answer.status == 200 and answer.json()["changed"]]
                operations = {body["operation"] for body in changed}
                if len(operations) != len(changed) or not changed:
                    return f"round {number}: {len(changed)} answers with a change, {len(operations)} operations"
                named = {answer.json()["operation"] for answer in answers if answer.status == 409}
                if named - operations:
                    return f"round {number}: 409 names {named - operations}, which nobody was answered"
                bound = sum(1 if body["driver"] == "vfio-pci" else -1 for body in changed)
                shown = self.daemon.control(f"binding {address}").split()[0]
                if (bound, shown) not in ((1, "vfio-pci"), (0, "e1000e")):
                    return f"round {number}: {bound} more binds than give-backs, and the kernel shows {shown}"
                give_back(clients[0], address)
        return ""

    def for_different_ones(self):
        """One change for each device; who is told 409 by another client of the same device asks again."""
        wanted = [CARDS[number % len(CARDS)] for number in range(CLIENTS)]
        with contextlib.ExitStack() as stack:
            clients = self.clients(stack)
            for number in range(ROUNDS // 10):
                found = {address: [] for address in CARDS}
                waiting = list(zip(clients, wanted))
                while waiting:
                    self.in_time()
                    answers = at_once([client for client, _ in waiting], [put(address) for _, address in waiting])
                    again = []
                    for (client, address), answer in zip(waiting, answers):
                        found[address].append(outcome(answer))
                        if found[address][-1][0] == "busy":
                            again.append((client, address))
                    waiting = again
                for address, outcomes in found.items():
                    fault = fault_of(outcomes)
                    if fault:
                        return f"round {number}, {address}: {fault}"
                    give_back(clients[0], address)
        return ""

    def nothing_is_left(self):
        with self.daemon.connect() as connection:
            for state in ("running", "blocked", "failed", "interrupted"):
                connection.send(request_bytes("GET", f"/v1/operations?state={state}"))
                items = connection.answer().json()["items"]
                if items:
                    return f"{len(items)} operations are {state}"
        return ""


def main():
    report = Report()
    with Daemon(sys.argv[1]) as daemon:
        race = Race(daemon)
        report.check(f"{CLIENTS} clients race for one device {ROUNDS} times", race.for_one)
        report.check("bind and give-back race for one device", race.bind_and_give_back_against_each_other)
        report.check(f"{CLIENTS} clients on {len(CARDS)} devices at once", race.for_different_ones)
        report.check("no operation is left", race.nothing_is_left)
    return report.end()


if __name__ == "__main__":
    sys.exit(main())
