#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The reference page (docs/reference.py) has everything of the contract, is whole HTML, and wants nothing from elsewhere.
Usage: reference_test.py REFERENCE_HTML"""

import html
import html.parser
import pathlib
import sys

import yaml

CONTRACT = pathlib.Path(__file__).resolve().parents[2] / "openapi.yaml"
EMPTY = {"meta", "br", "link", "img", "hr", "input"}
METHODS = ("get", "put", "post", "delete", "patch", "head")


class Page(html.parser.HTMLParser):
    """Its text, what is named and what is linked in it, and its faults."""

    def __init__(self):
        super().__init__()
        self.open, self.names, self.links, self.faults, self.text = [], [], set(), [], []

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        if tag not in EMPTY:
            self.open.append(tag)
        if "id" in given:
            self.names.append(given["id"])
        if tag == "a":
            self.links.add(given["href"])
        elif "src" in given or "href" in given or tag in ("script", "link", "img", "iframe"):
            self.faults.append(f"{tag} {given}")

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.faults.append(f"</{tag}> at line {self.getpos()[0]}")

    def handle_data(self, data):
        self.text.append(data)
        if self.open and self.open[-1] == "style" and ("url(" in data or "@import" in data):
            self.faults.append("a style from elsewhere")


def texts(item, name="description"):
    """Every description in the contract."""
    if isinstance(item, dict):
        for key, value in item.items():
            if key == name and isinstance(value, str):
                yield value
            elif key not in ("value", "examples", "example"):
                yield from texts(value, name)
    elif isinstance(item, list):
        for value in item:
            yield from texts(value, name)


def plain(text):
    return " ".join(text.replace("`", "").replace("**", "").split())


def faults_of(source):
    contract = yaml.safe_load(CONTRACT.read_text(encoding="utf-8"))
    page = Page()
    page.feed(source)
    page.close()
    shown = " ".join(" ".join(page.text).split())
    squeezed = shown.replace(" ", "")
    operations = [item[method] for item in contract["paths"].values() for method in METHODS if method in item]
    wanted = {operation["operationId"] for operation in operations} | {f"schema-{name}" for name in contract["components"]["schemas"]}
    yield from page.faults
    yield from (f"not closed: {tag}" for tag in page.open)
    yield from (f"twice: {name}" for name in set(page.names) if page.names.count(name) > 1)
    yield from (f"not there: {name}" for name in wanted - set(page.names))
    yield from (f"a link to nowhere: {link}" for link in page.links if not link.startswith("#") or link[1:] not in page.names)
    yield from (f"not said: {text[:80]}" for operation in operations for text in [operation["summary"], *operation.get("x-error-codes", [])]
                if plain(text) not in shown)
    for part in (contract["paths"], contract["components"]["schemas"], contract["info"]):
        yield from (f"not said: {text[:80]}" for text in texts(part) if plain(text).replace(" ", "") not in squeezed)


def main():
    found = list(faults_of(pathlib.Path(sys.argv[1]).read_text(encoding="utf-8")))
    for fault in found[:40]:
        print(fault)
    return 1 if found else 0


sys.exit(main())
