#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What every route answers to every role at every entrance: reads access_table.txt, and makes the table of SECURITY.md from it.
Usage: access_table.py --document     writes the table into SECURITY.md"""
import collections
import os
import re
import sys

FOLDER = os.path.dirname(os.path.abspath(__file__))
SECURITY = os.path.join(os.path.dirname(os.path.dirname(FOLDER)), "SECURITY.md")
ENTRANCES = {"unix": ("none", "reader", "claimant", "operator", "admin"),
             "claims": ("none", "reader", "claimant", "operator", "admin"),
             "tcp": ("none", "reader", "claimant", "operator", "admin", "unknown"),
             "tls": ("none", "reader", "claimant", "operator", "admin")}
COLUMNS = [(entrance, who) for entrance, all_who in ENTRANCES.items() for who in all_who]
ANSWERS = {"yes", "own", "403", "401"}
BEGIN, END = "<!-- begin: made by tests/contract/access_table.py -->", "<!-- end -->"

Row = collections.namedtuple("Row", "method path answers")


def rows():
    """The lines of access_table.txt: method, path, and one answer for each of COLUMNS."""
    found = []
    with open(os.path.join(FOLDER, "access_table.txt"), encoding="utf-8") as table:
        for line in table:
            words = line.split("#")[0].replace("|", " ").split()
            if not words:
                continue
            method, path, *answers = words
            if len(answers) != len(COLUMNS) or not set(answers) <= ANSWERS:
                raise ValueError(f"access_table.txt: {method} {path} needs {len(COLUMNS)} answers of {sorted(ANSWERS)}")
            found.append(Row(method, path, dict(zip(COLUMNS, answers))))
    return found


def document():
    """The table in Markdown. Roles with the same answers at an entrance share a column."""
    heads = {("unix", who): who for who in ENTRANCES["unix"]}
    heads |= {("claims", "none"): "claims socket: none, reader", ("claims", "claimant"): "claims socket: claimant",
              ("tcp", "none"): "TCP: no token", ("tcp", "unknown"): "TCP: unknown token"}
    lines = ["| route | " + " | ".join(heads.values()) + " |", "|---|" + "---|" * len(heads)]
    for row in rows():
        lines.append(f"| {row.method} `{row.path}` | " + " | ".join(row.answers[column] for column in heads) + " |")
    return "\n".join(lines)


def folded_fault():
    """The columns that the document leaves out say the same as those that stand for them."""
    same = [(("claims", "reader"), ("claims", "none")), (("claims", "operator"), ("unix", "operator")), (("claims", "admin"), ("unix", "admin"))]
    same += [(("tcp", who), ("unix", who)) for who in ("reader", "claimant", "operator", "admin")]
    same += [(("tls", who), ("unix", who)) for who in ENTRANCES["tls"]]
    for row in rows():
        for left, right in same:
            if row.answers[left] != row.answers[right]:
                return f"{row.method} {row.path}: {left} and {right} are not the same"
    return ""


def documented_fault():
    with open(SECURITY, encoding="utf-8") as page:
        found = re.search(re.escape(BEGIN) + r"\n\n(.*?)\n\n" + re.escape(END), page.read(), re.DOTALL)
    if not found or found.group(1) != document():
        return "the table of SECURITY.md is another one: run tests/contract/access_table.py --document"
    return folded_fault()


def main():
    if sys.argv[1:] != ["--document"]:
        sys.exit(__doc__)
    with open(SECURITY, encoding="utf-8") as page:
        text = page.read()
    before, rest = text.split(BEGIN)
    with open(SECURITY, "w", encoding="utf-8") as page:
        page.write(before + BEGIN + "\n\n" + document() + "\n\n" + END + rest.split(END, 1)[1])


if __name__ == "__main__":
    main()
