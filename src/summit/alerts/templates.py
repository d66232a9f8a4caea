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


def value_text(value: object) -> str:
    """A value as people read it: texts as they are, all else as JSON; long ones are cut."""
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    if len(text) > ALERT_TEXT_VALUE_CHARS_MAX:
        return text[: ALERT_TEXT_VALUE_CHARS_MAX - 1] + "…"
    return text


def _hole_text(node: Node, source: Source) -> str:
    match node:
        case Field(path):
            value, name = source.field(path), ".".join(path)
        case StepField(step, which, path):
            value, name = source.step_field(step, which, path), ".".join((step, which, *path))
        case StepAggregate(function, step, path):
            value = source.aggregate(function, step, path)
            name = f"{function}({'.'.join((step, *(path or ())))})"
        case _:
            value, name = None, type(node).__name__.lower()
    return f"<unknown {name}>" if value is None else value_text(value)
