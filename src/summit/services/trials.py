"""The routes by which rules of every kind are tried: with a document, or as they are registered."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import msgspec

from summit.base import limits
from summit.base.errors import Invalid
from summit.documents import PatternDocument
from summit.flow.explaining import try_any
from summit.flow.kinds import RULE_KINDS, Plan
from summit.journal.definition_log import Definition
from summit.services.document_schemas import document_schema
from summit.web import Operation, Request, Routes


class Given(msgspec.Struct, forbid_unknown_fields=True):
    """What a registered rule is tried on: events as it would see them, in order."""

    events: list[msgspec.Raw]


def add_trials(
    routes: Routes, kind: str, path: str, named: str, known: Callable[[Request], Definition]
) -> None:
    """Add `POST path/test` and `POST path/{id}/explain`.

    Args:
        named: The member that holds the document in a request, and the id in an answer.
        known: Gives the definition that a request asks for. Raises Invalid for an unknown id.
    """
    validate = RULE_KINDS[kind].validate
    trial = msgspec.defstruct(
        "Trial", [(named, dict[str, Any])], bases=(Given,), forbid_unknown_fields=True, kw_only=True
    )

    async def test(request: Request) -> dict[str, Any]:
        given: Any = await request.read_json(trial)
        document = validate(getattr(given, named))
        tried = await _tried(document.plan, given.events)
        warnings = list(document.plan.warnings) if isinstance(document, PatternDocument) else []
        return {named: document.id, "warnings": warnings, **tried}

    async def explain(request: Request) -> dict[str, Any]:
        definition = known(request)
        given = await request.read_json(Given)
        tried = await _tried(validate(definition.document).plan, given.events)
        return {named: definition.id, "revision": definition.version, **tried}

    tag = "patterns" if kind == "pattern" else path.rpartition("/")[2]
    body = {
        "type": "object", "required": [named, "events"], "additionalProperties": False,
        "properties": {
            named: document_schema(kind), "events": {"type": "array", "items": {"type": "object"}},
        },
    }  # fmt: skip
    routes.post(
        path + "/test", test,
        Operation(f"Try a {kind} on events", tag, "Nothing is registered.", body_schema=body),
    )  # fmt: skip
    routes.post(
        path + "/{id}/explain", explain,
        Operation(f"Explain what a {kind} makes of events", tag, body=Given),
    )  # fmt: skip


async def _tried(plan: Plan, events: list[msgspec.Raw]) -> dict[str, Any]:
    """What the rule makes of the events; nothing stays of it."""
    if len(events) > limits.EXPLAINED_EVENTS_MAX:
        raise Invalid("pattern.too_many_events", count=len(events), max=limits.EXPLAINED_EVENTS_MAX)
    given = [bytes(event) for event in events]
    return await asyncio.to_thread(lambda: try_any(plan, given))
