"""Judges JSON by CAMARA's own description: `judge.py FOLDER < questions`, one answer a line, empty where all is well.

A question is {"schema": pointer into click-to-dial.yaml, "value": any}, or {"operation": [method, path], "status": n, "value": any or null}.
Beside what the schema demands, no property may be there that the description does not have: answers are in its exact shapes.
"""
import json
import pathlib
import sys

import jsonschema_rs
import yaml

FOLDER = pathlib.Path(sys.argv[1])
API = "camara:///API_definitions/click-to-dial.yaml"
DOCUMENTS = {f"camara:///{name}": yaml.safe_load((FOLDER / name).read_text()) for name in
             ["API_definitions/click-to-dial.yaml", "common/CAMARA_common.yaml", "common/CAMARA_event_common.yaml"]}


def absolute(node, base):
    """Every reference with its document: what is taken out of one document still finds the others."""
    if isinstance(node, dict):
        return {key: (reference(value, base) if key == "$ref" else absolute(value, base)) for key, value in node.items()}
    return [absolute(item, base) for item in node] if isinstance(node, list) else node


def reference(text, base):
    file, _, pointer = text.partition("#")
    name = pathlib.PurePosixPath(file).name
    return f"{next(uri for uri in DOCUMENTS if uri.endswith(name)) if name else base}#{pointer}"


DOCUMENTS = {uri: absolute(document, uri) for uri, document in DOCUMENTS.items()}


def at(uri):
    document, _, pointer = uri.partition("#")
    node = DOCUMENTS[document]
    for step in pointer.split("/")[1:]:
        node = node[step.replace("~1", "/").replace("~0", "~")]
    return node


def resolved(node):
    while "$ref" in node:
        node = at(node["$ref"])
    return node


def whole(node):
    """As it is, without a reference in it."""
    if isinstance(node, list):
        return [whole(item) for item in node]
    if not isinstance(node, dict):
        return node
    return {key: whole(value) for key, value in resolved(node).items() if key not in ("example", "discriminator")}


def declared(schema):
    """The properties of an object, its parts' too."""
    properties = {}
    for part in [schema, *schema.get("allOf", [])]:
        for name, inner in part.get("properties", {}).items():
            properties[name] = {**properties.get(name, {}), **inner}
    return properties


def undeclared(schema, value, where):
    properties = declared(schema)
    if not isinstance(value, dict) or not properties:
        return
    for name, inner in value.items():
        if name not in properties:
            yield f"{where}/{name}: the description has no such property"
        else:
            yield from undeclared(properties[name], inner, f"{where}/{name}")


def judge(schema, value):
    schema = whole(schema)
    validator = jsonschema_rs.Draft4Validator(schema, validate_formats=True)
    wrong = [f"{'/'.join(map(str, error.instance_path))}: {error.message}" for error in validator.iter_errors(value)]
    return wrong + list(undeclared(schema, value, ""))


def answer(question):
    if "schema" in question:
        return judge(at(f"{API}#{question['schema']}"), question["value"])
    method, path = question["operation"]
    responses = DOCUMENTS[API]["paths"][path][method]["responses"]
    if str(question["status"]) not in responses:
        # "The API specification MAY not document some non-mandatory error statuses": their body is ErrorInfo.
        assert question["status"] in (405, 408, 413, 415, 429, 500, 503), question
        return judge(at("camara:///common/CAMARA_common.yaml#/components/schemas/ErrorInfo"), question["value"])
    response = resolved(responses[str(question["status"])])
    if "content" not in response:
        return [] if question["value"] is None else ["the description has no body here"]
    return judge(response["content"]["application/json"]["schema"], question["value"])


for line in sys.stdin:
    print("; ".join(answer(json.loads(line))), flush=True)
