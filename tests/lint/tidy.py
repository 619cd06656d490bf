#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Runs clang-tidy on each source of a build folder's compile commands that is not a test, as many at once as there are cores.
Usage: tidy.py BUILD_FOLDER [FILE...]"""
import concurrent.futures
import json
import os
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
FOLDERS = ("sysfs", "vfio", "handoff", "api", "daemon", "clients")
TOOL = "clang-tidy-19"


def sources_of(build):
    """All that the folder compiles, of the folders that are the daemon's."""
    commands = json.loads((ROOT / build / "compile_commands.json").read_text(encoding="utf-8"))
    paths = {pathlib.Path(command["file"]).resolve() for command in commands}
    inside = [path.relative_to(ROOT) for path in paths if path.is_relative_to(ROOT)]
    return sorted(path for path in inside if path.parts[0] in FOLDERS)


def look_at(build, source):
    """What clang-tidy says of the file; "" when it finds nothing."""
    done = subprocess.run([TOOL, "--quiet", "-p", build, str(source)], cwd=ROOT, capture_output=True, text=True, check=False)
    said = done.stdout.strip()
    if done.returncode != 0 and not said:
        said = done.stderr.strip() or f"{TOOL} ended with {done.returncode}"
    return said if done.returncode != 0 or "warning:" in said or "error:" in said else ""


def main(build, *chosen):
    known = sources_of(build)
    wanted = [pathlib.Path(name) for name in chosen] or known
    unknown = [str(path) for path in wanted if path not in known]
    if unknown or not known:
        print(f"not compiled by {build}: {', '.join(unknown) or 'anything'}", file=sys.stderr)
        return 1
    failed = 0
    with concurrent.futures.ThreadPoolExecutor(len(os.sched_getaffinity(0))) as workers:
        for path, said in zip(wanted, workers.map(lambda source: look_at(build, source), wanted)):
            if said:
                failed += 1
                print(f"{path}:\n{said}\n", flush=True)
    print(f"{len(wanted) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
