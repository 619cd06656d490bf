#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Prints the shape of the source: how many units and rooms, who includes whom, what is large, what points upwards.

  tests/style/shape.py [FOLDER]     the tree of this repository, or another clone's

It counts with regular expressions, so near enough to compare two commits. It judges nothing: rules are in run.py.
"""

import collections
import pathlib
import re
import sys

LAYERS = ("sysfs", "vfio", "handoff", "api", "daemon", "clients")
LONG_FUNCTION = 40
JSON_ROOMS = ("api", "handoff/journal", "clients")


def room_of(parts):
    return "/".join(parts[:2]) if len(parts) > 2 else parts[0]


def order_of(root, folder):
    readme = root / folder / "README.md"
    found = re.search(r"^Order: (.+)$", readme.read_text(), re.MULTILINE) if readme.exists() else None
    return found.group(1).split(" < ") if found else []


def arrows_between(root, files):
    """(from, to) -> number of includes, between rooms."""
    arrows = collections.Counter()
    for path, text in files.items():
        here = room_of(path.parts)
        for target in re.findall(r'#include "((?:%s)/[\w/]+\.hpp)"' % "|".join(LAYERS), text):
            there = room_of(pathlib.Path(target).parts)
            if there != here:
                arrows[here, there] += 1
    return arrows


def goes_up(root, arrow):
    (one, other) = (name.split("/") for name in arrow)
    if one[0] != other[0]:
        return LAYERS.index(other[0]) > LAYERS.index(one[0])
    order = order_of(root, one[0])
    known = len(one) > 1 and len(other) > 1 and one[1] in order and other[1] in order
    return not known or order.index(other[1]) > order.index(one[1])


def functions_in(text):
    """(first line, lines) of each function with a body, as clang-format lays them out."""
    begun = None
    for number, line in enumerate(text.splitlines(), 1):
        if begun is None and re.match(r"^( {0,2})\S.*\)[^;]*\{$", line) and not re.match(r"^ *(namespace|struct|class|enum)\b", line):
            begun = (number, len(line) - len(line.lstrip()))
        elif begun is not None and re.fullmatch(" " * begun[1] + r"\}\)*;?", line):  # a lambda ends with more than "}"
            yield begun[0], number - begun[0] + 1
            begun = None


def methods_in(text):
    """name -> number of methods that a class or struct declares."""
    for found in re.finditer(r"^(?:class|struct) (\w+)[^;{]*\{\n(.*?)^\};", text, re.MULTILINE | re.DOTALL):
        body = re.sub(r"//.*", "", found.group(2))
        yield found.group(1), len(re.findall(r"^  (?! )[^#\n]*?\b\w+\([^;{]*\)[^;{]*[;{]", body, re.MULTILINE))


def main():
    root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).resolve().parents[2])
    files = {path.relative_to(root): path.read_text() for layer in LAYERS for path in sorted((root / layer).rglob("*.[ch]pp"))}
    arrows = arrows_between(root, files)
    upward = {arrow: count for arrow, count in arrows.items() if goes_up(root, arrow)}
    lines = {path: text.count("\n") for path, text in files.items()}
    largest = sorted(lines, key=lines.get, reverse=True)[:8]
    methods = sorted(((count, name) for text in files.values() for name, count in methods_in(text)), reverse=True)[:5]
    long = [(length, f"{path}:{line}") for path, text in files.items() for line, length in functions_in(text) if length > LONG_FUNCTION]
    members = sum(len(re.findall(r"^ +std::function<.*;", text, re.MULTILINE)) for path, text in files.items() if path.suffix == ".hpp")
    json = {path: text.count("nlohmann") for path, text in files.items()
            if "nlohmann" in text and not str(path).startswith(JSON_ROOMS)}
    print(f"units: {len({path.with_suffix('') for path in files})} in {len({room_of(path.parts) for path in files})} rooms, {sum(lines.values())} lines")
    print(f"include arrows between rooms: {len(arrows)} ({sum(arrows.values())} includes), {len(upward)} of them upwards {sorted(upward) or ''}")
    print("largest files: " + ", ".join(f"{path} {lines[path]}" for path in largest))
    print("largest classes, by methods: " + ", ".join(f"{name} {count}" for count, name in methods))
    print(f"functions over {LONG_FUNCTION} lines: {len(long)}: " + ", ".join(f"{place} {length}" for length, place in sorted(long, reverse=True)))
    print(f"members that are a std::function, in headers: {members}")
    print(f"files with JSON outside {' and '.join(JSON_ROOMS)}: {len(json)}: {', '.join(map(str, sorted(json)))}")


main()
