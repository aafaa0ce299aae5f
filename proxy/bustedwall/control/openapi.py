"""The OpenAPI document, from the endpoints."""

from __future__ import annotations

import re
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

from pydantic import BaseModel, TypeAdapter

import bustedwall
from bustedwall.control.endpoint import JSON, LONGEST_NAME, NUMBERED, Endpoint
from bustedwall.control.problem import KIND, Details
from bustedwall.policy.model import NAME
from bustedwall.policy.told import Meant

_ALWAYS = (HTTPStatus.BAD_REQUEST, HTTPStatus.FORBIDDEN)

_TAKES_BODY = (HTTPStatus.LENGTH_REQUIRED, HTTPStatus.REQUEST_ENTITY_TOO_LARGE, HTTPStatus.UNSUPPORTED_MEDIA_TYPE)

_REF = "#/components/schemas/{model}"

Document = dict[str, Any]


def document(endpoints: Sequence[Endpoint]) -> Document:
    """Return the document."""
    keys: dict[int, TypeAdapter[Any]] = {}
    wanted: list[tuple[int, Any, TypeAdapter[Any]]] = []

    def schema(kind: Any, mode: str) -> int:  # noqa: ANN401 (a type, or what stands for one)
        key = len(keys)
        keys[key] = TypeAdapter(kind)
        wanted.append((key, mode, keys[key]))
        return key

    problem = schema(Details, "serialization")
    bodies = {endpoint: schema(endpoint.sends, "validation") for endpoint in endpoints if endpoint.sends}
    answers = {endpoint: schema(endpoint.answers, "serialization") for endpoint in endpoints if endpoint.answers}
    found, definitions = TypeAdapter.json_schemas(wanted, ref_template=_REF, schema_generator=Meant)
    by_key = {key: value for (key, _), value in found.items()}
    paths: dict[str, Document] = {}
    for endpoint in endpoints:
        told = _operation(endpoint, by_key[problem])
        if endpoint in bodies:
            content = {JSON: {"schema": by_key[bodies[endpoint]]}}
            told["requestBody"] = {"required": True, "content": content}
        success = told["responses"][str(endpoint.status.value)]
        if endpoint in answers:
            success["content"] = {endpoint.kind: {"schema": by_key[answers[endpoint]]}}
        elif endpoint.status is not HTTPStatus.NO_CONTENT:
            success["content"] = {endpoint.kind: {"schema": {"type": "string"}}}
        if endpoint.also is not None:
            success["content"][endpoint.also] = {"schema": {"type": "string"}}
        paths.setdefault(endpoint.path, {})[endpoint.method.lower()] = told
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "bustedwall",
            "version": bustedwall.__version__,
            "description": "Change a run while it runs, and see what it does.",
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "paths": paths,
        "components": {
            "schemas": definitions.get("$defs", {}),
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }


def _operation(endpoint: Endpoint, problem: Document) -> Document:
    statuses = {*_ALWAYS, *endpoint.refusals}
    if not endpoint.free:
        statuses.add(HTTPStatus.UNAUTHORIZED)
    if endpoint.sends:
        statuses |= {*_TAKES_BODY}
    refusals = {
        str(status.value): {"description": status.phrase, "content": {KIND: {"schema": problem}}}
        for status in sorted(statuses)
    }
    names = re.findall(r"\{(\w+)\}", endpoint.path)
    told: Document = {
        "operationId": endpoint.operation,
        "summary": endpoint.summary,
        "parameters": [*map(_in_path, names), *_in_query(endpoint.query)],
        "responses": {str(endpoint.status.value): {"description": endpoint.status.phrase}} | refusals,
        # Either: without a token where none was set.
        "security": [] if endpoint.free else [{}, {"token": []}],
    }
    return told


def _in_path(name: str) -> Document:
    kind: Document = {"type": "string", "pattern": f"^(?:{NAME})$", "minLength": 1, "maxLength": LONGEST_NAME}
    if name == NUMBERED:
        kind = {"type": "integer", "minimum": 1}
    return {"name": name, "in": "path", "required": True, "schema": kind}


def _in_query(model: type[BaseModel] | None) -> list[Document]:
    if model is None:
        return []
    told = model.model_json_schema(schema_generator=Meant)
    assert "$defs" not in told, "a query is of plain values"
    return [
        {
            "name": name,
            "in": "query",
            "required": name in told.get("required", ()),
            "description": part.pop("description", ""),
            "schema": part,
        }
        for name, part in told["properties"].items()
    ]
