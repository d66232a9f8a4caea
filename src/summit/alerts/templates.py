"""Texts of alerts: the holes of a template are filled from a match. Never raises.

A hole is a field (of the group key, else of the latest captured event that has it), a field of a
step's first or last event, or an aggregate over a step's events (`${count(failed)}`). A hole
that nothing fills shows as `<unknown name>`: visible, never empty, never an exception.
"""

from __future__ import annotations

from typing import Protocol

import msgspec

from summit.base.limits import ALERT_TEXT_VALUE_CHARS_MAX
from summit.documents.plan import TemplatePlan
from summit.events.expressions.ir import Field, Node, Path, StepAggregate, StepField


class Source(Protocol):
    """What holes are filled from; every answer is None where there is no value."""

    def field(self, path: Path) -> object:
        """A field of the key or of the latest event that has it."""
        ...

    def step_field(self, step: str, which: str, path: Path) -> object:
        """A field of the first or last event of a step."""
        ...

    def aggregate(self, function: str, step: str, path: Path | None) -> object:
        """count, sum, min, max, avg or distinct over a step's events."""
        ...


def render_template(template: TemplatePlan, source: Source) -> str:
    """The text of a template with its holes filled."""
    return "".join(
        part if isinstance(part, str) else _hole_text(part, source) for part in template.parts
    )


def render_key(template: TemplatePlan, source: Source) -> bytes | None:
    """The text as the key of a record; None where a hole is not filled."""
    parts: list[str] = []
    for part in template.parts:
        if isinstance(part, str):
            parts.append(part)
            continue
        value, _ = _hole_value(part, source)
        if value is None:
            return None
        parts.append(value if isinstance(value, str) else msgspec.json.encode(value).decode())
    return "".join(parts).encode()


def value_text(value: object) -> str:
    """A value as people read it: texts as they are, all else as JSON; long ones are cut."""
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    if len(text) > ALERT_TEXT_VALUE_CHARS_MAX:
        return text[: ALERT_TEXT_VALUE_CHARS_MAX - 1] + "…"
    return text


def _hole_text(node: Node, source: Source) -> str:
    value, name = _hole_value(node, source)
    return f"<unknown {name}>" if value is None else value_text(value)


def _hole_value(node: Node, source: Source) -> tuple[object, str]:
    """The value of a hole, and its name."""
    match node:
        case Field(path):
            return source.field(path), ".".join(path)
        case StepField(step, which, path):
            return source.step_field(step, which, path), ".".join((step, which, *path))
        case StepAggregate(function, step, path):
            name = f"{function}({'.'.join((step, *(path or ())))})"
            return source.aggregate(function, step, path), name
        case _:
            return None, type(node).__name__.lower()
