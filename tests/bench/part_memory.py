# SPDX-License-Identifier: Apache-2.0
"""(f): the daemon's resident memory: idle, under load, and after a million requests."""

import threading

from part_answers import targets
from processes import Daemon, load, request_bytes, scratch_folder, write_request
from table import Rows


class Highest:
    """The most that the daemon had while this was open."""

    def __init__(self, daemon):
        self._daemon, self._end = daemon, threading.Event()
        self.kib = daemon.resident()
        self._thread = threading.Thread(target=self._look)

    def _look(self):
        while not self._end.wait(0.02):
            self.kib = max(self.kib, self._daemon.resident())

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._end.set()
        self._thread.join()


def memory(tree, options):
    """(f)"""
    rows = Rows("memory", "(f) resident MiB; goal: 16 at 16 functions, 64 at 16,384, no growth over a million requests")
    with Daemon() as daemon, scratch_folder() as folder:
        idle = daemon.resident()
        files = {name: write_request(folder, name, request_bytes(target)) for name, target in targets(tree).items()}
        with Highest(daemon) as loaded:
            for file in files.values():
                load(daemon, [file], 64, options.seconds)
        small = [files["detail"], files["group"], *[files["healthz"]] * 8]
        tenth = load(daemon, small, 64, options.longest / 10, options.million // 10)
        early = daemon.resident()
        rest = load(daemon, small, 64, options.longest, options.million - tenth["requests"])
        late, asked = daemon.resident(), tenth["requests"] + rest["requests"]
        rows.add(functions=tree.count, idle=idle / 1024, **{
            "under load": loaded.kib / 1024, "after a tenth": early / 1024, "at the end": late / 1024, "requests": asked,
            "growth KiB": late - early, "note": None if asked >= options.million else "the time was over before a million"})
    return rows
