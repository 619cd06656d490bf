#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Each property of a schema in openapi.yaml has an example, and each example of a schema fits it.

A property has one by itself (`examples`, `const`), by what it refers to, by its members, or by its items.
Usage: examples.py OPENAPI_YAML"""
import pathlib
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from document import Document  # noqa: E402

NOT_SCHEMAS = {"example", "examples", "default", "const", "enum", "not"}


def has_example(document, schema):
    if "examples" in schema or "const" in schema or schema.get("properties"):
        return True
    if "$ref" in schema:
        return has_example(document, document.follow(schema))
    parts = [part for word in ("anyOf", "oneOf", "allOf") for part in schema.get(word, [])] + [schema.get("items")]
    return any(has_example(document, part) for part in parts if part)


def schemas(place, value):
    """(place, schema) of everything in the document that has a schema's keywords."""
    if isinstance(value, dict):
        yield place, value
        for key, child in value.items():
            if key not in NOT_SCHEMAS:
                yield from schemas(f"{place}/{key}", child)
    elif isinstance(value, list):
        for index, child in enumerate(value):
            yield from schemas(f"{place}/{index}", child)


def faults(document):
    """(number of properties, number of examples, what is wrong, a line each)."""
    properties, examples, wrong = 0, 0, []
    for place, schema in schemas("", document.root):
        if isinstance(schema.get("properties"), dict) and not place.endswith("/properties"):
            for name, member in schema["properties"].items():
                properties += 1
                if not has_example(document, member):
                    wrong.append(f"{place}/properties/{name} has no example")
        if isinstance(schema.get("examples"), list):
            for example in schema["examples"]:
                examples += 1
                fault = document.fault(schema, example)
                if fault:
                    wrong.append(f"{place}: the example {example!r} does not fit: {fault}")
    return properties, examples, wrong


def main(path):
    properties, examples, wrong = faults(Document(path))
    print("\n".join(wrong + [f"{properties} properties, {examples} examples"]))
    return 1 if wrong or not properties else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
