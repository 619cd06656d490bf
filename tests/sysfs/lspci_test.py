#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Holds devbindd's decoding of configuration spaces against `lspci -F DUMP -nnvvv`, line by line.

  lspci_test.py DECODE_CONFIG [--mutations N] [DUMP...]

DECODE_CONFIG is the program of that name. The dumps are those of tests/data/config, each as it is and N times with random
bytes in the capabilities (the seed is fixed). Needs pciutils 3.9.0: other versions say things differently.
"""

import argparse
import json
import pathlib
import random
import re
import subprocess
import sys
import tempfile

import lspci_text

DUMPS = pathlib.Path(__file__).resolve().parent.parent / "data/config"
VERSION = "lspci version 3.9.0"


def decoded(program, text):
    """{address: decoded configuration space}"""
    done = subprocess.run([program], input=text, capture_output=True, text=True, check=True)
    items = map(json.loads, done.stdout.splitlines())
    return {item["address"] if item["address"].count(":") == 2 else f"0000:{item['address']}": item for item in items}


def shown(text):
    """{address: lspci's text}; None when lspci stops with an error: it does so at reads beyond what it has fetched."""
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
        file.write(text)
        file.flush()
        done = subprocess.run(["lspci", "-D", "-F", file.name, "-nnvvv"], capture_output=True, text=True, errors="replace")
    if done.returncode != 0:
        return None
    blocks = [block for block in done.stdout.split("\n\n") if block.strip()]
    return {block.split(" ", 1)[0]: block for block in blocks}


def found_in(program, text):
    """Differences of all devices in a dump; None when lspci gives up on it."""
    ours, theirs = decoded(program, text), shown(text)
    if theirs is None:
        return None
    if not ours or set(ours) != set(theirs):
        return [f"devices: ours {sorted(ours)}, lspci's {sorted(theirs)}"]
    return [f"{address}: {difference}" for address, config in ours.items() for difference in lspci_text.differences(config, address, theirs[address])]


def mutated(text, randomness, program):
    """The dump with other bytes in the contents of its capabilities; their headers stay."""
    config = decoded(program, text)
    lines = text.splitlines()
    address, keep, out = None, set(), []
    for line in lines:
        title = re.match(r"((?:\w+:)?\w\w:\w\w\.\d) ", line)
        if title:
            address = title[1] if title[1].count(":") == 2 else f"0000:{title[1]}"
            keep = set(range(64))
            for name, size in (("capabilities", 2), ("extended_capabilities", 4)):
                for item in config[address][name] or []:
                    start = int(item["offset"], 16)
                    # The express capability's version and type stay as well: they decide what all the others mean.
                    keep |= set(range(start, start + (4 if item["name"] == "exp" else size)))
        row = re.match(r"([0-9a-f]+): (.*)", line)
        if not title and row and address:
            start = int(row[1], 16)
            values = [f"{randomness.randrange(256):02x}" if start + at not in keep and randomness.random() < 0.5 else value
                      for at, value in enumerate(row[2].split())]
            line = f"{row[1]}: {' '.join(values)}"
        out.append(line)
    return "\n".join(out) + "\n"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("--mutations", type=int, default=5)
    parser.add_argument("dumps", nargs="*", type=pathlib.Path)
    options = parser.parse_args()
    version = subprocess.run(["lspci", "--version"], capture_output=True, text=True, check=True).stdout.strip()
    if version != VERSION:
        sys.exit(f"FAIL lspci: {version}, but the comparison is with {VERSION}\n0 passed, 1 failed")
    passed = failed = 0
    for path in options.dumps or sorted(DUMPS.glob("*.txt")):
        text, randomness = path.read_text(), random.Random(path.name)
        for turn in range(options.mutations + 1):
            name = f"lspci.{path.stem}" + (f".mutation_{turn}" if turn else "")
            dump = mutated(text, randomness, options.program) if turn else text
            differences = found_in(options.program, dump)
            if differences is None and turn:
                continue
            if differences is None:
                differences = ["lspci gives up"]
            passed, failed = (passed, failed + 1) if differences else (passed + 1, failed)
            if differences or not turn:
                print(f"{'FAIL' if differences else 'ok'} {name}", *differences[:5], sep="\n    ")
    print(f"{passed} passed, {failed} failed")
    sys.exit(1 if failed else 0)


main()
