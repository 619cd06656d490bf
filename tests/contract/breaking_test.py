#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""breaking.py finds each kind of breaking change, made up on a small document, and lets pass what docs/contract.md allows."""

import copy
import sys

import yaml

from breaking import breaking

CONTRACT = yaml.safe_load("""
security: [{ socket: [] }]
paths:
  /things/{name}:
    parameters: [{ in: path, name: name, required: true, schema: { type: string, pattern: "^[a-z]+$" } }]
    put:
      operationId: setThing
      x-error-codes: [refused, not_found]
      parameters:
        - { in: query, name: colour, schema: { type: string, enum: [red, blue] } }
        - { in: query, name: wait, schema: { type: integer, minimum: 0, maximum: 10 } }
      requestBody:
        required: false
        content:
          application/json: { schema: { $ref: "#/components/schemas/Wish" } }
      responses:
        "200":
          headers: { ETag: { schema: { type: string } } }
          content:
            application/json: { schema: { $ref: "#/components/schemas/Thing" } }
            text/plain: { schema: { type: string } }
        "409": { content: { application/json: { schema: { type: object } } } }
    delete:
      operationId: removeThing
      responses: { "204": {} }
  /others:
    get: { operationId: listOthers, responses: { "200": {} } }
components:
  schemas:
    Wish:
      type: object
      required: [kind]
      properties:
        kind: { type: string, enum: [big, small] }
        size: { type: [integer, "null"], minimum: 1 }
        names: { type: array, maxItems: 8, items: { type: string } }
        where: { anyOf: [{ type: string }, { type: integer }] }
        inner: { $ref: "#/components/schemas/Wish" }
    Thing:
      allOf: [{ $ref: "#/components/schemas/Base" }]
      type: object
      required: [state]
      properties:
        state: { type: string, enum: [new, old] }
        count: { type: integer, minimum: 0 }
        code: { type: string, enum: [refused] }
        either: { anyOf: [{ type: string }, { type: "null" }] }
    Base:
      type: object
      required: [id]
      properties: { id: { type: string } }
""")
PUT = ("paths", "/things/{name}", "put")
OK = (*PUT, "responses", "200")
WISH, THING = ("components", "schemas", "Wish"), ("components", "schemas", "Thing")
GONE = object()
# (where, its new value, what is said of it): None for a change that breaks nobody.
CASES = [
    (("paths", "/others"), GONE, "/others: the path is gone"),
    (("paths", "/things/{name}", "delete"), GONE, "DELETE /things/{name}: the operation is gone"),
    ((*PUT, "operationId"), "putThing", "PUT /things/{name}: operationId setThing, after which generated functions are named, is putThing"),
    ((*PUT, "x-error-codes"), ["refused"], "PUT /things/{name}: the error code not_found is gone"),
    ((*PUT, "x-error-codes"), ["refused", "not_found", "more"], None),
    ((*PUT, "responses", "409"), GONE, "PUT /things/{name}: the status 409 is gone"),
    ((*PUT, "responses", "503"), {}, None),
    ((*OK, "headers"), {}, "PUT /things/{name} 200: the header ETag is gone"),
    ((*OK, "content", "text/plain"), GONE, "PUT /things/{name} 200: the media type text/plain is gone"),
    ((*PUT, "security"), [{"token": []}], "PUT /things/{name}: the security scheme socket is gone"),
    ((*PUT, "security"), [{"socket": []}, {"token": []}], None),
    ((*PUT, "parameters", 1), GONE, "PUT /things/{name} query wait: the parameter is gone"),
    ((*PUT, "parameters", 1, "required"), True, "PUT /things/{name} query wait: the parameter is required now"),
    ((*PUT, "parameters", 2), {"in": "query", "name": "new", "required": True}, "PUT /things/{name} query new: the parameter is new and required"),
    ((*PUT, "parameters", 2), {"in": "query", "name": "new"}, None),
    ((*PUT, "parameters", 0, "schema", "enum"), ["red"], "PUT /things/{name} query colour: the value blue is not taken any longer"),
    ((*PUT, "parameters", 0, "schema", "enum"), ["red", "blue", "green"], None),
    ((*PUT, "parameters", 1, "schema", "maximum"), 5, "PUT /things/{name} query wait: maximum was 10 and is 5"),
    ((*PUT, "parameters", 1, "schema", "maximum"), 50, None),
    ((*PUT, "parameters", 1, "schema", "type"), "string", "PUT /things/{name} query wait: the type integer is string"),
    ((*PUT, "parameters", 1, "schema", "type"), ["integer", "string"], None),
    (("paths", "/things/{name}", "parameters", 0, "schema", "pattern"), "^a+$", "PUT /things/{name} path name: pattern was ^[a-z]+$ and is ^a+$"),
    ((*PUT, "requestBody", "required"), True, "PUT /things/{name}: a body is required now"),
    ((*PUT, "requestBody"), GONE, "PUT /things/{name}: the body is gone"),
    ((*WISH, "required"), ["kind", "size"], "PUT /things/{name} body.size: the member is required now"),
    ((*WISH, "required"), [], None),
    ((*WISH, "properties", "size"), GONE, "PUT /things/{name} body.size: the member is gone"),
    ((*WISH, "properties", "new"), {"type": "string"}, None),
    ((*WISH, "additionalProperties"), False, "PUT /things/{name} body: further members are refused now"),
    ((*WISH, "properties", "kind", "enum"), ["big"], "PUT /things/{name} body.kind: the value small is not taken any longer"),
    ((*WISH, "properties", "size", "type"), "integer", "PUT /things/{name} body.size: the type integer, null is integer"),
    ((*WISH, "properties", "names", "maxItems"), 4, "PUT /things/{name} body.names: maxItems was 8 and is 4"),
    ((*WISH, "properties", "names", "items", "minLength"), 1, "PUT /things/{name} body.names[]: minLength was none and is 1"),
    ((*WISH, "properties", "where", "anyOf"), [{"type": "string"}], "PUT /things/{name} body.where/1: the type integer is string"),
    ((*WISH, "properties", "where", "anyOf"), [{"type": "null"}, {"type": "integer"}, {"type": "string"}], None),
    ((*THING, "properties", "count"), GONE, "PUT /things/{name} 200.count: the member is gone"),
    ((*THING, "properties", "more"), {"type": "string"}, None),
    ((*THING, "required"), [], "PUT /things/{name} 200.state: the member may be missing now"),
    ((*THING, "required"), ["state", "count"], None),
    ((*THING, "allOf"), [], "PUT /things/{name} 200.id: the member is gone"),
    ((*THING, "properties", "state", "enum"), ["new", "old", "lost"], "PUT /things/{name} 200.state: the value lost may come now"),
    ((*THING, "properties", "state", "enum"), ["new"], None),
    ((*THING, "properties", "code", "enum"), ["refused", "not_found"], None),
    ((*THING, "properties", "count", "type"), ["integer", "null"], "PUT /things/{name} 200.count: the type integer is integer, null"),
    ((*THING, "properties", "count", "type"), "number", "PUT /things/{name} 200.count: the type integer is integer, number"),
    ((*THING, "properties", "count", "minimum"), GONE, "PUT /things/{name} 200.count: minimum was 0 and is none"),
    ((*THING, "properties", "either", "anyOf"), [{"type": "string"}, {"type": "boolean"}],
     "PUT /things/{name} 200.either/1: the type string is boolean"),
    ((*THING, "properties", "either", "anyOf"), [{"type": "null"}], None),
    (("components", "schemas", "Extra"), {"type": "object"}, None),
]


def changed(where, value):
    document = copy.deepcopy(CONTRACT)
    place = document
    for step in where[:-1]:
        place = place[step]
    if value is GONE:
        del place[where[-1]]
    elif isinstance(place, list) and where[-1] == len(place):
        place.append(value)
    else:
        place[where[-1]] = value
    return document


def main():
    failed = 0
    for where, value, said in CASES:
        found = breaking(CONTRACT, changed(where, value))
        if found != ([said] if said else []):
            print(f"FAIL {'/'.join(map(str, where))}: {found}, not {said}")
            failed += 1
    renamed = copy.deepcopy(CONTRACT)
    renamed["components"]["schemas"]["Root"] = renamed["components"]["schemas"].pop("Base")
    renamed["components"]["schemas"]["Thing"]["allOf"] = [{"$ref": "#/components/schemas/Root"}]
    if (found := breaking(CONTRACT, renamed)) != ["schema Base: the schema is gone, after which generated types are named"]:
        print(f"FAIL a renamed schema: {found}")
        failed += 1
    return 1 if failed else 0


sys.exit(main())
