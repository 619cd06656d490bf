#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The reference of the API as one page of HTML, made of openapi.yaml: no script, no font and no picture from elsewhere, so that it is read where
there is no network. The build makes it; the same contract gives the same bytes.

  docs/reference.py OPENAPI_YAML REFERENCE_HTML
"""

import html
import json
import pathlib
import re
import sys

import yaml

METHODS = ("get", "put", "post", "delete", "patch", "head")
STYLE = """
:root { color-scheme: light dark; --line: #8884; --weak: #888; --ground: #8881; }
body { font: 15px/1.5 sans-serif; margin: 0; display: flex; }
nav { width: 22em; height: 100vh; overflow: auto; position: sticky; top: 0; flex: none; padding: 0 1em; box-sizing: border-box; font-size: 13px; border-right: 1px solid var(--line); }
nav ul { list-style: none; padding: 0; margin: 0 0 1em; }
main { padding: 0 2em 4em; max-width: 62em; min-width: 0; }
section { border-top: 1px solid var(--line); margin-top: 2em; }
code, pre { font: 13px/1.45 monospace; background: var(--ground); border-radius: 3px; padding: 0 .2em; overflow-wrap: anywhere; }
pre { padding: .6em; overflow: auto; }
table { border-collapse: collapse; width: 100%; margin: .5em 0; }
td, th { border-bottom: 1px solid var(--line); padding: .3em .6em .3em 0; text-align: left; vertical-align: top; }
td p { margin: 0 0 .3em; }
.weak { color: var(--weak); }
.method { font: bold 12px monospace; display: inline-block; min-width: 4.5em; }
@media (max-width: 60em) { body { display: block; } nav { position: static; width: auto; height: auto; } }
"""


def inline(text):
    """The marks that the contract has: `code` and **bold**."""
    text = html.escape(str(text), quote=False)
    text = re.sub(r"`([^`]+)`", r"<code>\1</code>", text)
    return re.sub(r"\*\*([^*]+)\*\*", r"<strong>\1</strong>", text)


def prose(text):
    """Paragraphs."""
    return "".join(f"<p>{inline(part)}</p>\n" for part in re.split(r"\n\s*\n", (text or "").strip()) if part)


def pre(value):
    text = value if isinstance(value, str) else json.dumps(value, indent=2, ensure_ascii=False)
    return f"<pre>{html.escape(text, quote=False)}</pre>\n"


def table(heads, rows):
    if not rows:
        return ""
    body = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>\n" for row in rows)
    return "<table>\n<tr>" + "".join(f"<th>{head}</th>" for head in heads) + f"</tr>\n{body}</table>\n"


def bounds(schema):
    """The limits of a value, in words."""
    said = [f"{word} {schema[name]}" for name, word in (("minimum", "at least"), ("exclusiveMinimum", "more than"), ("maximum", "at most"),
                                                        ("pattern", "like"), ("format", "format"), ("default", "default")) if name in schema]
    for lower, upper, what in (("minLength", "maxLength", "characters"), ("minItems", "maxItems", "entries"), ("minProperties", "maxProperties", "members")):
        if lower in schema or upper in schema:
            said.append(f"{schema.get(lower, 0)} to {schema.get(upper, 'any number of')} {what}")
    return ", ".join(said)


class Reference:
    def __init__(self, contract):
        self.contract = contract
        self.parts = contract["components"]

    def follow(self, item):
        while "$ref" in item:
            kind, name = item["$ref"].split("/")[-2:]
            item = self.parts[kind][name]
        return item

    # ---- schemas

    def type_of(self, schema):
        """A schema in a few words, with a link to each that has a name."""
        if "$ref" in schema:
            name = schema["$ref"].rsplit("/", 1)[1]
            return f'<a href="#schema-{name}">{name}</a>'
        if "const" in schema:
            return f"<code>{html.escape(json.dumps(schema['const']))}</code>"
        if "enum" in schema:
            return " | ".join(f"<code>{html.escape(json.dumps(value))}</code>" for value in schema["enum"])
        for word, between in (("anyOf", " or "), ("oneOf", " or "), ("allOf", " and ")):
            if word in schema:
                return between.join(self.type_of(one) for one in schema[word] if one)
        if "items" in schema:
            return f"array of {self.type_of(schema['items'])}"
        said = schema.get("type", "any value")
        return inline(" or ".join(said) if isinstance(said, list) else said)

    def about(self, schema):
        """What is said of a value: description, limits, example."""
        limits = inline(bounds(schema))
        examples = schema.get("examples") or []
        example = f'<p class="weak">e.g. <code>{html.escape(json.dumps(examples[0], ensure_ascii=False), quote=False)}</code></p>' if examples else ""
        return prose(schema.get("description")) + (f'<p class="weak">{limits}</p>' if limits else "") + example

    def members(self, schema, before=""):
        """A row for each member, those of what is within it too; what has a name of its own is linked instead."""
        rows = []
        for part in [*schema.get("allOf", []), *schema.get("anyOf", []), *schema.get("oneOf", [])]:
            rows += self.within(part, before)
        needed = schema.get("required", [])
        for name, one in schema.get("properties", {}).items():
            must = "" if name in needed else '<span class="weak">optional</span>'
            rows.append((f"<code>{before}{name}</code> {must}", self.type_of(one), self.about(one)))
            rows += self.within(one, f"{before}{name}.")
        if isinstance(schema.get("items"), dict):
            rows += self.entry(schema["items"], f"{before.removesuffix('.')}[]", "each")
        if isinstance(schema.get("additionalProperties"), dict):
            rows += self.entry(schema["additionalProperties"], f"{before}*", "any name")
        return rows

    def within(self, schema, before):
        return [] if "$ref" in schema or not isinstance(schema, dict) else self.members(schema, before)

    def entry(self, schema, place, what):
        """What stands for all entries of an array, or for all further members of an object."""
        about = self.about(schema)
        row = [(f'<code>{place}</code> <span class="weak">{what}</span>', self.type_of(schema), about)] if about else []
        return row + self.within(schema, place + ".")

    def schema(self, name, schema):
        rows = self.members(schema)
        what = f"<p>{self.type_of(schema)}</p>" if not rows or "allOf" in schema else ""
        return f'<section id="schema-{name}"><h3>{name}</h3>\n{self.about(schema)}{what}{table(("member", "type", "what it is"), rows)}</section>\n'

    # ---- operations

    def parameters(self, shared, operation):
        rows = []
        for one in map(self.follow, shared + operation.get("parameters", [])):
            schema = one.get("schema", {})
            must = "" if one.get("required") else '<span class="weak">optional</span>'
            of_value = self.about({key: value for key, value in schema.items() if key != "description"})
            rows.append((f"<code>{one['name']}</code> {must}", one["in"], self.type_of(schema), prose(one.get("description")) + of_value))
        return "<h4>Parameters</h4>\n" + table(("name", "in", "type", "what it is"), rows) if rows else ""

    def content(self, content):
        said = ""
        for kind, one in content.items():
            schema = one.get("schema", {})
            said += f"<p><code>{kind}</code> {self.type_of(schema)}</p>\n"
            if "$ref" not in schema:
                said += self.about(schema) + table(("member", "type", "what it is"), self.members(schema))
            examples = list(one.get("examples", {}).values()) or ([{"value": one["example"]}] if "example" in one else [])
            for example in map(self.follow, examples):
                said += f"<details><summary>{inline(example.get('summary', 'Example'))}</summary>{pre(example.get('value', ''))}</details>\n"
        return said

    def answers(self, operation):
        rows = []
        for status, answer in operation["responses"].items():
            answer = self.follow(answer)
            headers = "".join(f"<p><code>{name}</code> {inline(one.get('description', ''))}</p>" for name, one in answer.get("headers", {}).items())
            rows.append((status, prose(answer.get("description")) + self.content(answer.get("content", {})), headers))
        return "<h4>Answers</h4>\n" + table(("status", "what it says", "headers"), rows)

    def operation(self, path, method, item):
        operation = item[method]
        said = [f'<section id="{operation["operationId"]}"><h3><span class="method">{method.upper()}</span> <code>{html.escape(path)}</code></h3>',
                f"<p><strong>{inline(operation['summary'])}</strong> <span class=\"weak\">{operation['operationId']}</span></p>",
                prose(operation.get("description")), self.parameters(item.get("parameters", []), operation)]
        if "requestBody" in operation:
            body = self.follow(operation["requestBody"])
            said.append(f"<h4>Body</h4>\n{prose(body.get('description'))}{self.content(body['content'])}")
        said.append(self.answers(operation))
        if operation.get("x-error-codes"):
            said.append(f"<h4>Error codes</h4>\n{codes(operation['x-error-codes'])}")
        return "\n".join(said) + "</section>\n"

    def operations(self):
        """(tag, path, method, item) in the order of the tags."""
        order = [tag["name"] for tag in self.contract["tags"]]
        found = [(item[method]["tags"][0], path, method, item) for path, item in self.contract["paths"].items() for method in METHODS if method in item]
        return sorted(found, key=lambda one: order.index(one[0]))

    # ---- the page

    def contents(self):
        said, last = ['<nav>\n<p><a href="#top">devbindd</a></p>\n<ul>'], None
        for tag, path, method, item in self.operations():
            if tag != last:
                said.append(f"</ul>\n<strong>{tag}</strong>\n<ul>")
                last = tag
            said.append(f'<li><span class="method">{method.upper()}</span><a href="#{item[method]["operationId"]}">{html.escape(path)}</a></li>')
        said.append("</ul>\n<strong>schemas</strong>\n<ul>")
        said += [f'<li><a href="#schema-{name}">{name}</a></li>' for name in self.parts["schemas"]]
        return "\n".join(said) + "</ul>\n</nav>\n"

    def page(self):
        info = self.contract["info"]
        said = [f'<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<meta name="viewport" content="width=device-width">\n'
                f'<title>{info["title"]} {info["version"]}: API</title>\n<style>{STYLE}</style>\n</head>\n<body>\n',
                self.contents(), f'<main id="top">\n<h1>{info["title"]} {info["version"]}</h1>\n<p>{inline(info["summary"])}</p>\n', prose(info["description"]),
                "<h2>Where it is</h2>\n", table(("address", "what it is"), [(f"<code>{one['url']}</code>", prose(one["description"])) for one in self.contract["servers"]]),
                "<h2>Who asks</h2>\n", table(("scheme", "what it is"), [(name, prose(one.get("description"))) for name, one in self.parts["securitySchemes"].items()]),
                f"<h2>Errors of every path</h2>\n{codes(self.contract['x-error-codes'])}"]
        about, last = {tag["name"]: tag["description"] for tag in self.contract["tags"]}, None
        for tag, path, method, item in self.operations():
            if tag != last:
                said.append(f"<h2>{tag}</h2>\n{prose(about[tag])}")
                last = tag
            said.append(self.operation(path, method, item))
        said.append("<h2>Schemas</h2>\n")
        said += [self.schema(name, schema) for name, schema in self.parts["schemas"].items()]
        return "".join(said) + "</main>\n</body>\n</html>\n"


def codes(names):
    return "<p>" + ", ".join(f"<code>{name}</code>" for name in names) + "</p>\n"


def main():
    contract = yaml.safe_load(pathlib.Path(sys.argv[1]).read_text(encoding="utf-8"))
    pathlib.Path(sys.argv[2]).write_text(Reference(contract).page(), encoding="utf-8")


if __name__ == "__main__":
    main()
