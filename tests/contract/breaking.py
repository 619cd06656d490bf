#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What has changed in the contract that would break a client of the last release. docs/contract.md has the rules.

  breaking.py                 released/openapi.yaml against openapi.yaml; what released/on-purpose.txt has is let through
  breaking.py OLD NEW         any two documents
"""

import pathlib
import sys

import yaml

HERE = pathlib.Path(__file__).resolve().parent
METHODS = ("get", "put", "post", "delete", "patch", "options", "head", "trace")
ASKED, ANSWERED = "asked", "answered"  # which way a value goes
# Bounds that are narrower when they grow, and those that are when they shrink.
LOWER, UPPER = ("minimum", "exclusiveMinimum", "minLength", "minItems"), ("maximum", "exclusiveMaximum", "maxLength", "maxItems")
ANYTHING = {}  # one object, since what was compared is known by its identity
EVERY_TYPE = {"null", "boolean", "number", "integer", "string", "array", "object"}


def types_of(schema):
    said = schema.get("type")
    if said is None:
        return EVERY_TYPE
    types = set(said if isinstance(said, list) else [said])
    return types | {"integer"} if "number" in types else types


def values_of(schema):
    """The values that are allowed, or None where they are not listed."""
    values = [schema["const"]] if "const" in schema else schema.get("enum")
    return None if values is None else {yaml.safe_dump(value).split("\n")[0] for value in values}


def words(names):
    return ", ".join(sorted(map(str, names)))


class Comparison:
    """Of two documents; `found` has a line for each breaking change."""

    def __init__(self, old, new):
        self.old, self.new = old, new
        self.found = []
        self._seen = set()

    def whole(self):
        old, new = self.old.get("paths", {}), self.new.get("paths", {})
        for path, item in old.items():
            if path not in new:
                self.say(path, "the path is gone")
                continue
            for method in (name for name in METHODS if name in item):
                where = f"{method.upper()} {path}"
                if method not in new[path]:
                    self.say(where, "the operation is gone")
                else:
                    self.operation(where, item, item[method], new[path], new[path][method])
        for name in self.part(self.old, "schemas").keys() - self.part(self.new, "schemas").keys():
            self.say(f"schema {name}", "the schema is gone, after which generated types are named")
        return sorted(set(self.found))

    def say(self, where, what):
        self.found.append(f"{where}: {what}")

    @staticmethod
    def part(root, name):
        return root.get("components", {}).get(name) or {}

    @staticmethod
    def follow(root, item):
        while isinstance(item, dict) and "$ref" in item:
            rest = {key: value for key, value in item.items() if key != "$ref"}
            found = root
            for step in item["$ref"].removeprefix("#/").split("/"):
                found = found[step.replace("~1", "/").replace("~0", "~")]
            item = found | rest if rest else found
        return item

    @classmethod
    def identity(cls, root, schema):
        """Of what it refers to, where it is a reference alone."""
        alone = isinstance(schema, dict) and schema.keys() == {"$ref"}
        return id(cls.follow(root, schema) if alone else schema)

    # ---- operations

    def operation(self, where, old_item, old, new_item, new):
        if old.get("operationId") != new.get("operationId"):
            self.say(where, f"operationId {old.get('operationId')}, after which generated functions are named, is {new.get('operationId')}")
        self.security(where, old, new)
        self.parameters(where, old_item, old, new_item, new)
        self.body(where, self.follow(self.old, old.get("requestBody")), self.follow(self.new, new.get("requestBody")))
        for code in old.get("x-error-codes", []):
            if code not in new.get("x-error-codes", []):
                self.say(where, f"the error code {code} is gone")
        for status, answer in old.get("responses", {}).items():
            if status not in new.get("responses", {}):
                self.say(where, f"the status {status} is gone")
                continue
            self.answer(f"{where} {status}", self.follow(self.old, answer), self.follow(self.new, new["responses"][status]))

    def security(self, where, old, new):
        """Each way in which one could show who one is still does."""
        before, now = old.get("security", self.old.get("security", [])), new.get("security", self.new.get("security", []))
        for way in before:
            if now and way not in now:
                self.say(where, f"the security scheme {words(way) or 'none'} is gone")

    def parameters(self, where, old_item, old, new_item, new):
        def of(root, item, operation):
            followed = [self.follow(root, one) for one in item.get("parameters", []) + operation.get("parameters", [])]
            return {(one["in"], one["name"]): one for one in followed}

        before, now = of(self.old, old_item, old), of(self.new, new_item, new)
        for key, one in before.items():
            place = f"{where} {key[0]} {key[1]}"
            if key not in now:
                self.say(place, "the parameter is gone")
                continue
            if now[key].get("required") and not one.get("required"):
                self.say(place, "the parameter is required now")
            self.schema(place, one.get("schema", ANYTHING), now[key].get("schema", ANYTHING), ASKED)
        for key, one in now.items():
            if key not in before and one.get("required"):
                self.say(f"{where} {key[0]} {key[1]}", "the parameter is new and required")

    def body(self, where, old, new):
        if new and new.get("required") and not (old and old.get("required")):
            self.say(where, "a body is required now")
        if old and not new:
            self.say(where, "the body is gone")
        if old and new:
            self.content(f"{where} body", old.get("content", {}), new.get("content", {}), ASKED)

    def answer(self, where, old, new):
        for name in old.get("headers", {}):
            if name not in new.get("headers", {}):
                self.say(where, f"the header {name} is gone")
        self.content(where, old.get("content", {}), new.get("content", {}), ANSWERED)

    def content(self, where, old, new, way):
        for kind, one in old.items():
            if kind not in new:
                self.say(where, f"the media type {kind} is gone")
            else:
                self.schema(where, one.get("schema", ANYTHING), new[kind].get("schema", ANYTHING), way)

    # ---- schemas

    def merged(self, root, schema):
        """A schema with what it refers to, and with its allOf put into it."""
        schema = self.follow(root, schema)
        if not isinstance(schema, dict):  # true allows everything, false nothing
            return {} if schema else {"enum": []}
        parts = [self.merged(root, part) for part in schema.get("allOf", [])]
        whole = {key: value for key, value in schema.items() if key != "allOf"}
        for part in parts:
            for key, value in part.items():
                if key == "properties":
                    whole[key] = value | whole.get(key, {})
                elif key == "required":
                    whole[key] = sorted(set(value) | set(whole.get(key, [])))
                else:
                    whole.setdefault(key, value)
        return whole

    def schema(self, where, old, new, way):
        key = (self.identity(self.old, old), self.identity(self.new, new), way)
        if key in self._seen:  # a schema that has itself in it, or one that was compared where it was first used
            return
        self._seen.add(key)
        old, new = self.merged(self.old, old), self.merged(self.new, new)
        self.types(where, old, new, way)
        self.values(where, old, new, way)
        self.bounds(where, old, new, way)
        self.members(where, old, new, way)
        self.alternatives(where, old, new, way)
        if "items" in old or "items" in new:
            self.schema(f"{where}[]", old.get("items", ANYTHING), new.get("items", ANYTHING), way)
        extra, other = old.get("additionalProperties", True), new.get("additionalProperties", True)
        if isinstance(extra, dict) and isinstance(other, dict):
            self.schema(f"{where}.*", extra, other, way)
        elif extra is not False and other is False and way == ASKED:
            self.say(where, "further members are refused now")

    def types(self, where, old, new, way):
        before, now = types_of(old), types_of(new)
        missing = before - now if way == ASKED else now - before
        if missing:
            self.say(where, f"the type {words(before) if before != EVERY_TYPE else 'any'} is {words(now) if now != EVERY_TYPE else 'any'}")

    def values(self, where, old, new, way):
        before, now = values_of(old), values_of(new)
        if way == ASKED and now is not None:
            gone = before - now if before is not None else {"any"}
            if gone:
                self.say(where, f"the value {words(gone)} is not taken any longer")
        if way == ANSWERED and before is not None and not where.endswith(".code"):  # codes may become more
            more = now - before if now is not None else {"any"}
            if more:
                self.say(where, f"the value {words(more)} may come now")

    def bounds(self, where, old, new, way):
        """What is asked must not be held to narrower bounds, what is answered not go beyond those that there were."""
        tight, loose = (new, old) if way == ASKED else (old, new)
        for names, narrower in ((LOWER, lambda a, b: a > b), (UPPER, lambda a, b: a < b)):
            for name in names:
                if name in tight and (name not in loose or narrower(tight[name], loose[name])):
                    self.say(where, f"{name} was {old.get(name, 'none')} and is {new.get(name, 'none')}")
        for name in ("pattern", "format"):
            if name in tight and tight[name] != loose.get(name):
                self.say(where, f"{name} was {old.get(name, 'none')} and is {new.get(name, 'none')}")

    def members(self, where, old, new, way):
        before, now = old.get("properties", {}), new.get("properties", {})
        needed, needed_now = set(old.get("required", [])), set(new.get("required", []))
        for name, one in before.items():
            if name not in now:
                self.say(f"{where}.{name}", "the member is gone")
            else:
                self.schema(f"{where}.{name}", one, now[name], way)
        if way == ASKED:
            for name in needed_now - needed:
                self.say(f"{where}.{name}", "the member is required now" if name in before else "the member is new and required")
        else:
            for name in (needed - needed_now) & now.keys():
                self.say(f"{where}.{name}", "the member may be missing now")

    def alternatives(self, where, old, new, way):
        for word in ("anyOf", "oneOf"):
            before, now = old.get(word), new.get(word)
            if not before and not now:
                continue
            if bool(before) != bool(now):
                if (way == ASKED) == bool(now):
                    self.say(where, f"{word} was {'there' if before else 'not there'} and is {'there' if now else 'not there'}")
                continue
            # Each that could be asked must fit one that is taken; each that may come must fit one that came before.
            for number, one in enumerate(before if way == ASKED else now):
                others = now if way == ASKED else before
                tried = [self.tried(f"{where}/{number}", *((one, other) if way == ASKED else (other, one)), way) for other in others]
                if all(tried):
                    self.found += min(tried, key=len)

    def tried(self, where, old, new, way):
        """The breaking changes between two alternatives."""
        attempt = Comparison(self.old, self.new)
        attempt._seen = set(self._seen)
        attempt.schema(where, old, new, way)
        return attempt.found


def breaking(old, new):
    """A line for each breaking change between two documents."""
    return Comparison(old, new).whole()


def against_the_release():
    """(what breaks and is not on purpose, what was on purpose and is not there)"""
    released = HERE / "released"
    new = yaml.safe_load((HERE.parents[1] / "openapi.yaml").read_bytes())
    found = breaking(yaml.safe_load((released / "openapi.yaml").read_bytes()), new)
    lines = (line.partition("#")[0].strip() for line in (released / "on-purpose.txt").read_text().splitlines())
    meant = set(filter(None, lines))
    return [line for line in found if line not in meant], sorted(meant - set(found))


def main():
    if len(sys.argv) == 3:
        wrong, stale = breaking(*(yaml.safe_load(pathlib.Path(path).read_bytes()) for path in sys.argv[1:])), []
    else:
        wrong, stale = against_the_release()
    for line in wrong:
        print(f"breaking: {line}")
    for line in stale:
        print(f"on-purpose.txt has what is not there: {line}")
    return 1 if wrong or stale else 0


if __name__ == "__main__":
    sys.exit(main())
