#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The parts that want a real kernel, in the test machine, beside its daemon. Usage: in_machine.py OPTIONS FILE"""

import argparse
import json
import os
import pathlib
import sys

sys.dont_write_bytecode = True

import part_bind  # noqa: E402
import part_status  # noqa: E402

PARTS = {"status": part_status.in_machine, "bind": part_bind.in_machine}


def main():
    options = argparse.Namespace(**json.loads(sys.argv[1]), socket="/run/devbindd/devbindd.sock")
    done = []
    for name in options.parts:
        rows = PARTS[name](options)
        done.append({"part": rows.part, "title": rows.title, "rows": rows.rows})
        pathlib.Path(sys.argv[2]).write_text(json.dumps(done))
        os.sync()


main()
