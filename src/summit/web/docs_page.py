"""A readable page of an OpenAPI document: plain HTML, no script, nothing from elsewhere."""

from __future__ import annotations

import json
from collections.abc import Iterator
from html import escape
from typing import Any, Final

_STYLE: Final = """
body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}
:root{color-scheme:light dark}
details{border:1px solid #8886;border-radius:6px;margin:.4rem 0;padding:.3rem .8rem}
summary{cursor:pointer}
code,pre{font:13px/1.45 ui-monospace,monospace}
pre{overflow:auto;background:#8882;padding:.6rem;border-radius:4px;max-height:26rem}
table{border-collapse:collapse;margin:.4rem 0}
td,th{text-align:left;vertical-align:top;padding:.15rem .9rem .15rem 0}
.m{display:inline-block;min-width:4.2rem;font-weight:600}
.d{opacity:.75}
"""


def docs_page(document: dict[str, Any]) -> str:
    """The page: an entry for each operation, by tag, and the schemas at its end."""
    info = document["info"]
    title = escape(f"{info['title']} {info['version']}")
    return "".join(
        [
            f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>',
            '<meta name="viewport" content="width=device-width,initial-scale=1">',
            f"<style>{_STYLE}</style></head><body><h1>{title}</h1>",
            f"<p>{escape(info['description'])} The same for machines: ",
            '<a href="openapi.json">openapi.json</a></p>',
            *_operations(document),
            "<h2>Schemas</h2>",
            *_schemas(document["components"]["schemas"]),
            "</body></html>",
        ]
    )


def _operations(document: dict[str, Any]) -> Iterator[str]:
    for tag in document["tags"]:
        yield f"<h2>{escape(tag['name'])}</h2>"
        for path, methods in document["paths"].items():
            for method, operation in methods.items():
                if operation.get("tags") == [tag["name"]]:
                    yield from _operation(method, path, operation)


def _operation(method: str, path: str, operation: dict[str, Any]) -> Iterator[str]:
    yield f'<details id="{operation["operationId"]}"><summary><span class="m">{method.upper()}'
    yield f'</span><code>{escape(path)}</code> <span class="d">{escape(operation["summary"])}'
    yield "</span></summary>"
    if "description" in operation:
        yield f"<p>{escape(operation['description'])}</p>"
    parameters = operation.get("parameters", [])
    if parameters:
        yield "<table><tr><th>Parameter</th><th>In</th><th>Schema</th><th></th></tr>"
        for each in parameters:
            needed = " (needed)" if each["required"] else ""
            yield f"<tr><td><code>{escape(each['name'])}</code>{needed}</td><td>{each['in']}</td>"
            yield f"<td><code>{escape(json.dumps(each['schema']))}</code></td>"
            yield f"<td>{escape(each.get('description', ''))}</td></tr>"
        yield "</table>"
    if "requestBody" in operation:
        yield from _content("Body", operation["requestBody"])
    for status, reply in operation["responses"].items():
        if status < "400":
            yield from _content(f"{status} {reply['description']}", reply)
    refused = [status for status in operation["responses"] if status >= "400"]
    yield f"<p>Problems: {', '.join(refused)}</p></details>"


def _content(title: str, of: dict[str, Any]) -> Iterator[str]:
    yield f"<h4>{escape(title)}</h4>"
    for media, content in of.get("content", {}).items():
        yield f"<p><code>{escape(media)}</code></p>"
        reference = content["schema"].get("$ref")
        if reference:
            name = reference.rpartition("/")[2]
            yield f'<p><a href="#{escape(name)}">{escape(name)}</a></p>'
        else:
            yield f"<pre>{escape(json.dumps(content['schema'], indent=1))}</pre>"


def _schemas(schemas: dict[str, Any]) -> Iterator[str]:
    for name, schema in schemas.items():
        yield f'<details id="{escape(name)}"><summary><code>{escape(name)}</code></summary>'
        yield f"<pre>{escape(json.dumps(schema, indent=1))}</pre></details>"
