# SPDX-License-Identifier: Apache-2.0
"""openapi.yaml as the tests use it: finding operations and responses, and validating what came against them."""
import copy
import re
from urllib.parse import parse_qsl, unquote

import yaml
from jsonschema import Draft202012Validator, FormatChecker, RefResolver

METHODS = ("get", "put", "post", "delete", "patch", "options", "head", "trace")


class Document:
    def __init__(self, path):
        with open(path, "rb") as file:
            self.bytes = file.read()
        self.root = yaml.safe_load(self.bytes)
        self.resolver = RefResolver("", self.root)

    def follow(self, item):
        while isinstance(item, dict) and "$ref" in item:
            item = self.resolver.resolve(item["$ref"])[1]
        return item

    def fault(self, schema, value):
        """Why a value does not fit a schema, or ""."""
        validator = Draft202012Validator(schema, resolver=self.resolver, format_checker=FormatChecker())
        errors = sorted(validator.iter_errors(value), key=lambda error: -len(list(error.absolute_path)))
        if not errors:
            return ""
        place = "/".join(str(part) for part in errors[0].absolute_path)
        return f"at /{place}: {errors[0].message}"[:400]

    def operations(self):
        """Every (template, method)."""
        return [(template, method) for template, item in self.root["paths"].items() for method in METHODS if method in item]

    def operation(self, template, method):
        return self.root["paths"][template][method]

    def parameters(self, template, method):
        shared = self.root["paths"][template].get("parameters", [])
        return [self.follow(item) for item in shared + self.operation(template, method).get("parameters", [])]

    def template_of(self, target):
        """The path template that a target belongs to, or None."""
        path = target.split("?")[0]
        for template in self.root["paths"]:
            pattern = re.sub(r"\{[a-z]+\}", "[^/]+", re.escape(template).replace(r"\{", "{").replace(r"\}", "}"))
            if re.fullmatch(pattern, path):
                return template
        return None

    def response(self, template, method, status):
        """The response that is documented for a status; None when only `default` covers it."""
        found = self.operation(template, method)["responses"].get(str(status))
        return self.follow(found) if found else None

    def query_parameters(self):
        """Every (template, method, parameter name) of a query."""
        return {(template, method, item["name"]) for template, method in self.operations()
                for item in self.parameters(template, method) if item["in"] == "query"}

    def documented(self):
        """Every (template, method, status) that must be seen."""
        return {(template, method, int(status)) for template, method in self.operations()
                for status in self.operation(template, method)["responses"] if status != "default"}

    def without_required(self, schema):
        """The schema of an object, or of a list of them, of which only some members were asked for."""
        schema = copy.deepcopy(self.follow(schema))
        items = schema.get("properties", {}).get("items")
        if items is not None:
            items["items"] = self.without_required(items["items"])
            return schema
        schema.pop("required", None)
        schema["allOf"] = [self.without_required(part) for part in schema.get("allOf", [])]
        return schema

    def response_fault(self, response, answer, head_only=False, some_fields=False):
        """Why an answer does not fit a response object, or "". `some_fields`: not all members were asked for."""
        for name, header in response.get("headers", {}).items():
            header = self.follow(header)
            value = answer.fields.get(name.lower())
            if value is None and header.get("required") is False:
                continue
            if value is None:
                return f"there is no header {name}"
            fault = self.fault(header["schema"], value)
            if fault:
                return f"header {name}: {fault}"
        if "content" not in response:
            return "it has a body" if answer.body or "content-type" in answer.fields else ""
        media = answer.fields.get("content-type", "").split(";")[0]
        if media not in response["content"]:
            return f"the content type is {media}"
        if head_only:
            return ""
        body = answer.json() if media.endswith("json") else answer.body.decode("utf-8")
        schema = response["content"][media]["schema"]
        return self.fault(self.without_required(schema) if some_fields and answer.status == 200 else schema, body)

    def query_fault(self, template, method, target):
        """Why the parameters of a target do not fit the contract, or ""."""
        known = {item["name"]: item for item in self.parameters(template, method) if item["in"] == "query"}
        pairs = parse_qsl(target.partition("?")[2], keep_blank_values=True)
        for name, text in pairs:
            if name not in known:
                return f"{name} is not documented"
            schema = self.follow(known[name]["schema"])
            repeats = sum(1 for other, _ in pairs if other == name)
            if schema.get("type") == "array":
                fault = self.fault(known[name]["schema"], text.split(","))
            else:
                fault = self.fault(known[name]["schema"], plain(schema, text)) or ("stands twice" if repeats > 1 else "")
            if fault:
                return f"{name}: {fault}"
        missing = [name for name, item in known.items() if item.get("required") and name not in dict(pairs)]
        return f"{missing[0]} is missing" if missing else ""

    def path_fault(self, template, method, target):
        values = target.split("?")[0].split("/")
        for item in self.parameters(template, method):
            if item["in"] != "path":
                continue
            text = unquote(values[template.split("/").index("{" + item["name"] + "}")])
            fault = self.fault(item["schema"], plain(self.follow(item["schema"]), text))
            if fault:
                return f"{item['name']}: {fault}"
        return ""

    def body_fault(self, template, method, body):
        content = self.operation(template, method)["requestBody"]["content"]["application/json"]
        return self.fault(content["schema"], body)

    def examples(self):
        """Every (place, schema, example): of media types and of parameters."""
        yield from self._media_examples(self.root, "")
        for template, method in self.operations():
            for item in self.parameters(template, method):
                if "example" in item:
                    yield f"{method} {template} {item['name']}", item["schema"], item["example"]

    def _media_examples(self, item, place):
        if isinstance(item, list):
            for index, part in enumerate(item):
                yield from self._media_examples(part, f"{place}/{index}")
        if not isinstance(item, dict):
            return
        for media, part in item.get("content", {}).items() if isinstance(item.get("content"), dict) else ():
            if "example" in part:
                yield f"{place} {media}", part["schema"], part["example"]
            for name, example in part.get("examples", {}).items():
                yield f"{place} {media} {name}", part["schema"], example["value"]
        for name, part in item.items():
            yield from self._media_examples(part, f"{place}/{name}")


def plain(schema, text):
    """A parameter's text as the JSON value that its schema speaks of."""
    if schema.get("type") == "integer" and re.fullmatch(r"[0-9]+", text):
        return int(text)
    if schema.get("type") == "boolean":
        return {"true": True, "false": False}.get(text, text)
    return text
