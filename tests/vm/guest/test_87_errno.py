# SPDX-License-Identifier: Apache-2.0
"""Every single write to sysfs fails, with each errno that a kernel may give: the devices are as they were before.

A tracer (tracer.py) skips a worker's N-th write and lets it return the errno. The ordinary run takes every write of one
device with every errno, and every write of a transaction with one each; all of them:
tests/vm/run --filter 'test_87_errno*' --timeout 3600, with "Every" in the filter.
"""

import errno
import itertools
import json
import pathlib

import api
import test_85_kill as kill
from tracer import Tracer

ERRNOS = (errno.EBUSY, errno.ENODEV, errno.EINVAL, errno.EIO, errno.EPERM, errno.ENOMEM, errno.EAGAIN)


class Case(kill.Case):
    def each_write(self, name, errnos_of):
        """`errnos_of` gives the errnos to be tried at the write of that number."""
        for number in range(1, self.count_writes(kill.WAYS[name]) + 1):
            for value in errnos_of(number):
                self.one(name, number, value)

    def one(self, name, number, value):
        code = errno.errorcode[value]
        with self.subTest(f"{name}: {code} at write {number}"):
            way = kill.WAYS[name]
            self.prepare(way)
            before = kill.kernel_state()
            with Tracer(kill.daemon_pid(), "nobody", number, "before", fail_with=value) as tracer:
                answer = kill.ask(way.request)
                reached = tracer.has_reached()
            if reached:
                self.check_undone(answer, before, code, tracer.reached[1])
                self.points += 1
            self.undo(way)

    def check_undone(self, answer, before, code, file):
        self.assertEqual((answer.status, answer.json.get("code")), (409, "bind_failed"), answer)
        self.assertEqual((answer.json["errno"], answer.json["restored"]), (code, True), answer)
        self.assertEqual(pathlib.Path(answer.json["step"]["path"]).resolve(), pathlib.Path(file), answer)
        for said in ("meaning", "next_step"):
            self.assertTrue(answer.json[said], answer)
        self.assertEqual(answer.json["undo_failures"], [], answer)
        self.assertEqual(kill.kernel_state(), before, answer)
        operation = api.request("GET", answer.json["operation"]).json
        self.assertEqual(operation["state"], "failed", operation)

    def say(self):
        print(f"{self.points} failed writes, all undone")
        self.assertGreater(self.points, 0)


class Sample(Case):
    @api.timeout(200)
    def test_every_write_of_one_device_and_every_errno(self):
        """Two errnos at each write, in turn; all of them at each: the tests that only their name selects."""
        turn = itertools.cycle(ERRNOS)
        for name in ("bind", "give_back"):
            self.each_write(name, lambda number: [next(turn), next(turn)])
        self.assertGreaterEqual(self.points, len(ERRNOS))
        self.say()

    @api.timeout(200)
    def test_every_write_of_a_transaction_with_some_errno(self):
        turn = itertools.cycle(ERRNOS)
        self.each_write("transaction", lambda number: [next(turn)])
        self.say()


def each_way(cls):
    """The class with a test for each."""

    def make(name):
        @api.timeout(550)
        def test(self):
            self.each_write(name, lambda number: ERRNOS)
            self.say()

        return test

    for name in kill.WAYS:
        setattr(cls, f"test_{name}", make(name))
    return cls


if "Every" in json.loads(pathlib.Path("/mnt/results/request.json").read_text())["filter"]:

    @each_way
    class Every(Case):
        pass
