"""The description of both services: every route is in it, and the committed copies are current."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tools.api_documents import DOCUMENTS, document_text, routes_of

from summit.web import Routes, docs_page, openapi

METHODS = ("get", "post", "put", "patch", "delete")


@pytest.fixture(params=list(DOCUMENTS))
def service(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def routes(service: str) -> Routes:
    return routes_of(service)


def test_every_route_says_what_it_takes_and_answers(routes: Routes) -> None:
    for route in routes.table():
        assert route.operation is not None, (route.method, route.path)
        assert route.operation.summary
        assert route.operation.tag


def test_every_route_stands_in_the_document_under_an_id_of_its_own(routes: Routes) -> None:
    document = openapi(routes, "t", "1")
    described = {
        (method.upper(), path)
        for path, methods in document["paths"].items()
        for method in methods
        if method in METHODS
    }
    assert described == set(routes.listed())
    ids = [o["operationId"] for methods in document["paths"].values() for o in methods.values()]
    assert len(ids) == len(set(ids))


def test_every_reference_is_there(routes: Routes) -> None:
    document = openapi(routes, "t", "1")
    known = {f"#/components/schemas/{name}" for name in document["components"]["schemas"]}

    def references(value: Any) -> set[str]:
        if isinstance(value, dict):
            found = {value["$ref"]} if isinstance(value.get("$ref"), str) else set()
            return found.union(*(references(each) for each in value.values()))
        if isinstance(value, list):
            return set().union(*(references(each) for each in value))
        return set()

    assert references(document) <= known


def test_every_problem_has_its_schema(routes: Routes) -> None:
    for methods in openapi(routes, "t", "1")["paths"].values():
        for operation in methods.values():
            for status, reply in operation["responses"].items():
                if status >= "400":
                    assert list(reply["content"]) == ["application/problem+json"]


def test_the_committed_copy_is_current(service: str) -> None:
    path = Path(__file__).parents[2] / DOCUMENTS[service]
    assert path.read_text() == document_text(service), "run tools/api_documents.py"


def test_the_page_shows_every_operation_and_needs_nothing_from_elsewhere(routes: Routes) -> None:
    document = openapi(routes, "A <b>title</b>", "1")
    page = docs_page(document)
    for methods in document["paths"].values():
        for operation in methods.values():
            assert f'id="{operation["operationId"]}"' in page
    assert "<b>" not in page
    assert "http" not in page.replace("http-", "").lower().split("<h2>")[0]
    assert "<script" not in page
