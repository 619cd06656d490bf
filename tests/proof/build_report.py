#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What the build of the release preset costs: its slowest objects, and the headers that cost most over all objects.

An object's time is that of its last build (.ninja_log). A header's cost is the time that the compiler needs to read it
alone, times the number of objects that read it without its being precompiled.
"""

import collections
import json
import pathlib
import re
import shlex
import subprocess
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = ROOT / "build/release"
MOST = 20
OUTER = re.compile(r"/usr/include/(boost/(asio|beast|url)\.hpp|boost/(asio|beast|url)/\w+\.hpp|nlohmann/json\.hpp|spdlog/\w+\.h|sqlite3\.h"
                   r"|pugixml\.hpp|catch2/\w+\.hpp|c\+\+/\d+/\w+)$")


def object_times():
    """(seconds, object), the longest first. The log keeps every build; the last one of an object counts."""
    times = {}
    for line in (BUILD / ".ninja_log").read_text().splitlines()[1:]:
        start, end, _, target, _ = line.split("\t")
        if target.endswith((".o", ".gch")):
            times[target] = (int(end) - int(start)) / 1000
    return sorted(((seconds, target) for target, seconds in times.items()), reverse=True)


def readers():
    """Header -> the objects that read it."""
    found = collections.defaultdict(set)
    target = None
    for line in subprocess.run(["ninja", "-C", BUILD, "-t", "deps"], check=True, capture_output=True, text=True).stdout.splitlines():
        if line and not line.startswith(" "):
            target = line.split(":")[0]
        elif line.strip():
            found[str((BUILD / line.strip()).resolve())].add(target)
    return found


def seconds_of(header):
    """How long the compiler reads the header alone, less an empty file."""
    flags = ["-std=c++23", "-fsyntax-only", "-x", "c++", "-I", str(ROOT)]

    def once(text):
        started = time.monotonic()
        subprocess.run(["c++", *flags, "-"], input=text, text=True, capture_output=True)
        return time.monotonic() - started

    return max(0.0, once(f'#include "{header}"\n') - once("\n"))


def main():
    times = object_times()
    print(f"{len(times)} objects, {sum(seconds for seconds, _ in times):.0f} s of compiler time. The slowest:")
    for seconds, target in times[:MOST]:
        print(f"{seconds:7.1f} s  {target}")
    precompiled = {target for command in json.loads((BUILD / "compile_commands.json").read_text())
                   if any("cmake_pch" in word for word in shlex.split(command["command"])) for target in [command["output"]]}
    costs = []
    for header, objects in readers().items():
        ours = header.startswith(str(ROOT) + "/") and header.endswith(".hpp") and "/build/" not in header
        if len(objects) >= 3 and (ours or OUTER.search(header)):
            alone = seconds_of(header)
            costs.append((alone * len(objects), alone, len(objects), len(objects & precompiled), header.removeprefix(str(ROOT) + "/")))
    print("\nHeaders: seconds over all objects, seconds alone, objects, those of them with a precompiled header")
    for total, alone, count, with_precompiled, header in sorted(costs, reverse=True)[:MOST]:
        print(f"{total:7.1f} s {alone:6.2f} s {count:4} {with_precompiled:4}  {header}")


main()
