# SPDX-License-Identifier: Apache-2.0
"""Rows of figures: printed as a table, kept for the JSON."""


class Rows:
    """Of one part. A row is a dictionary; its keys are the columns, in the order of the first row that has them."""

    def __init__(self, part, title):
        self.part, self.title, self.rows = part, title, []

    def add(self, **row):
        self.rows.append(row)
        print("  " + "  ".join(f"{name}: {text_of(value)}" for name, value in row.items() if value is not None), flush=True)

    def print(self):
        columns = list(dict.fromkeys(name for row in self.rows for name in row))
        lines = [columns] + [[text_of(row.get(name)) for name in columns] for row in self.rows]
        widths = [max(len(line[at]) for line in lines) for at in range(len(columns))]
        print(f"\n=== {self.part}: {self.title}")
        for line in lines:
            print("  ".join(text.ljust(width) for text, width in zip(line, widths)).rstrip())
        print(flush=True)


def text_of(value):
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}" if abs(value) >= 0.1 else f"{value:.4f}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def ratio(ours, other):
    """None where there is nothing to compare with."""
    return ours / other if ours is not None and other else None
