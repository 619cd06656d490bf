#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The parts that want a made-up tree, on a tree of one size. `run` starts this in namespaces of its own."""

import argparse
import json
import subprocess
import sys
import traceback

sys.dont_write_bytecode = True

import part_answers  # noqa: E402
import part_changes  # noqa: E402
import part_memory  # noqa: E402
import part_start  # noqa: E402
import part_status  # noqa: E402
import processes  # noqa: E402
import tree_sandbox  # noqa: E402

PARTS = {
    "status": part_status.on_tree, "answers": part_answers.answers, "start": part_start.start, "uevent": part_changes.uevent,
    "memory": part_memory.memory, "readers": part_changes.readers, "nothing": part_answers.nothing,
}


def measured(name, tree, options):
    """What a part has found, or that it failed: the others are measured nevertheless."""
    try:
        rows = PARTS[name](tree, options)
    except (OSError, RuntimeError, subprocess.CalledProcessError):
        traceback.print_exc()
        return {"part": name, "title": "", "rows": [{"functions": tree.count, "note": "it failed, see above", "failed": True}]}
    return {"part": rows.part, "title": rows.title, "rows": rows.rows}


def main():
    options = argparse.Namespace(**json.loads(sys.argv[1]))
    processes.raise_open_files()
    processes.use_nice(options.nice)
    done = []
    with tree_sandbox.tree_of(options.functions, options.outside) as tree:
        for name in options.parts:
            print(f"--- {name}, {tree.count:,} functions", flush=True)
            done.append(measured(name, tree, options))
    with open(options.output, "w", encoding="utf-8") as output:
        json.dump(done, output)


main()
