"""OpenAPI 3.1 of a table of routes, from the types that its handlers read and answer with.

Source: OpenAPI Specification 3.1.1.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from http import HTTPStatus
from typing import Any, Final

import msgspec

from summit.web.apps import Route, Routes
from summit.web.operations import Operation, reply_type
from summit.web.problems import PROBLEM_JSON, Problem
from summit.web.responses import JSON, Response

_REF: Final = "#/components/schemas/{name}"
_PARAMETER: Final = re.compile(r"\{([^}:]+)(?::[^}]*)?\}")


def openapi(routes: Routes, title: str, version: str, description: str = "") -> dict[str, Any]:
    """The document of every route that has an operation."""
    listed = [(route, route.operation) for route in routes.table() if route.operation is not None]
    types: dict[Any, None] = {Problem: None}
    for route, operation in listed:
        for type_ in (operation.body, _typed(reply_type(operation, route.handler))):
            if type_ is not None:
                types[type_] = None
    schemas, components = msgspec.json.schema_components(types, ref_template=_REF)
    of_type = dict(zip(types, schemas, strict=True))
    write = _Writer(of_type.__getitem__)
    paths: dict[str, dict[str, Any]] = {}
    for route, operation in listed:
        path = _PARAMETER.sub(r"{\1}", route.path)
        paths.setdefault(path, {})[route.method.lower()] = write.operation(route, operation)
    tags = dict.fromkeys(operation.tag for _, operation in listed if operation.tag)
    return {
        "openapi": "3.1.0",
        "info": {"title": title, "version": version, "description": description},
        "servers": [{"url": "/"}],
        "tags": [{"name": tag} for tag in tags],
        "paths": paths,
        "components": {"schemas": components},
    }


def _typed(type_: Any) -> Any:
    """A reply's type, or None where it is no JSON."""
    if type_ is Any or type_ is None or (isinstance(type_, type) and issubclass(type_, Response)):
        return None
    return type_


class _Writer:
    """Writes operations; `schema` gives a type's."""

    def __init__(self, schema: Callable[[Any], dict[str, Any]]) -> None:
        self._schema = schema

    def operation(self, route: Route, of: Operation) -> dict[str, Any]:
        words = re.findall(r"[A-Za-z0-9]+", route.path)
        plain: dict[str, Any] = {
            "operationId": route.method.lower() + "".join(w[:1].upper() + w[1:] for w in words),
            "summary": of.summary,
        }
        if of.description:
            plain["description"] = of.description
        if of.tag:
            plain["tags"] = [of.tag]
        parameters = [*_path(route, of), *_query(of), *_headers(of)]
        if parameters:
            plain["parameters"] = parameters
        if of.has_body:
            schema = dict(of.body_schema) if of.body_schema else self._schema(of.body)
            plain["requestBody"] = {
                "required": not of.body_optional,
                "content": {media: {"schema": schema} for media in of.body_media},
            }
        plain["responses"] = {
            **self._replies(route, of),
            **{str(status): self._problem(status) for status in sorted(_problems(route, of))},
        }
        return plain

    def _replies(self, route: Route, of: Operation) -> dict[str, Any]:
        type_ = _typed(reply_type(of, route.handler))
        schema = {"type": "string"} if type_ is None else self._schema(type_)
        content = {
            media: {"schema": schema if media == JSON else {"type": "string"}} for media in of.media
        }
        replies: dict[str, Any] = {
            str(of.status): {"description": HTTPStatus(of.status).phrase, "content": content}
        }
        for status, meaning in of.statuses.items():
            replies[str(status)] = {"description": meaning}
            if status < 300:
                replies[str(status)]["content"] = content
        return replies

    def _problem(self, status: int) -> dict[str, Any]:
        content = {PROBLEM_JSON: {"schema": self._schema(Problem)}}
        return {"description": HTTPStatus(status).phrase, "content": content}


def _path(route: Route, of: Operation) -> list[dict[str, Any]]:
    return [
        {
            "name": name, "in": "path", "required": True,
            "schema": of.path.get(name, {"type": "string", "minLength": 1}),
        }
        for name in _PARAMETER.findall(route.path)
    ]  # fmt: skip


def _query(of: Operation) -> list[dict[str, Any]]:
    found = []
    for each in msgspec.structs.fields(of.query):
        schema = _no_null(msgspec.json.schema(each.type))
        if each.default is not msgspec.NODEFAULT and each.default is not None:
            schema["default"] = each.default
        parameter = {"name": each.encode_name, "in": "query", "required": each.required}
        text = schema.pop("description", "")
        if text:
            parameter["description"] = text
        found.append({**parameter, "schema": schema})
    return found


def _no_null(schema: dict[str, Any]) -> dict[str, Any]:
    """A query parameter is absent or has a value: it is never null."""
    options = [option for option in schema.pop("anyOf", []) if option.get("type") != "null"]
    if len(options) == 1:
        return {**schema, **options[0]}
    return {**schema, "anyOf": options} if options else schema


def _headers(of: Operation) -> list[dict[str, Any]]:
    return [
        {"name": name, "in": "header", "required": False, "description": text,
         "schema": {"type": "string"}}
        for name, text in of.headers.items()
    ]  # fmt: skip


def _problems(route: Route, of: Operation) -> set[int]:
    """The statuses of problems that follow from what an operation takes."""
    found = {400, 500, 503, *of.problems}
    if _PARAMETER.search(route.path):
        found.add(404)
    if of.has_body:
        found |= {413, 415}
    return found
