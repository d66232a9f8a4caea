"""Texts with holes: `SSH brute force from ${sourceIP}`, `${count(failed)} failures`.

A hole holds a field, a field of a step's first or last event, or an aggregate over a step:

    ${user.name}   ${failed.last.user}   ${count(failed)}   ${distinct(failed.user)}

`$${` stands for the two characters `${`.
"""

from __future__ import annotations

from collections.abc import Sequence

from summit.base.errors import Invalid
from summit.base.limits import PATTERN_TEXT_CHARS_MAX
from summit.documents.plan import TemplatePlan
from summit.documents.problems import Problems
from summit.documents.section import Section
from summit.events.expressions.ir import Field, Node, StepAggregate, StepField
from summit.events.expressions.parser import parse_expression


def read_template(
    text: str, pointer: str, problems: Problems, *, steps: Sequence[str] = ()
) -> TemplatePlan | None:
    """The parts of a template; None when there is a problem, which is noted."""
    parts: list[str | Node] = []
    before = len(problems)
    plain = ""
    position = 0
    while position < len(text):
        start = text.find("${", position)
        if start < 0:
            plain += text[position:]
            break
        if start and text[start - 1] == "$" and start > position:
            plain += text[position : start - 1] + "${"
            position = start + 2
            continue
        plain += text[position:start]
        end = _end_of_hole(text, start + 2)
        if end < 0:
            problems.add(pointer, f"'${{' at column {start + 1} is not closed by '}}'")
            break
        if plain:
            parts.append(plain)
        plain = ""
        node = _read_hole(text[start + 2 : end], start + 2, pointer, problems, steps)
        if node is not None:
            parts.append(node)
        position = end + 1
    if plain:
        parts.append(plain)
    return TemplatePlan(text, tuple(parts)) if len(problems) == before else None


def read_text_template(
    section: Section, name: str, steps: Sequence[str] = ()
) -> TemplatePlan | None:
    """The template that a member of a document is; None without it, or with a problem."""
    text = section.text(name, chars_max=PATTERN_TEXT_CHARS_MAX)
    if text is None:
        return None
    return read_template(text, section.at(name), section.problems, steps=steps)


def _end_of_hole(text: str, position: int) -> int:
    """Where the closing brace is; one inside backquotes or quotes does not count."""
    quote = ""
    for place in range(position, len(text)):
        char = text[place]
        if quote:
            quote = "" if char == quote else quote
        elif char in "`'\"":
            quote = char
        elif char == "}":
            return place
    return -1


def _read_hole(
    text: str, start: int, pointer: str, problems: Problems, steps: Sequence[str]
) -> Node | None:
    try:
        node = parse_expression(text, steps=steps)
    except Invalid as error:
        if "column" in error.details:
            error.details["column"] += start
        problems.add_error(pointer, error)
        return None
    if isinstance(node, (Field, StepField, StepAggregate)):
        return node
    hint = "; write a name with other characters in backquotes" if "-" in text else ""
    problems.add(
        pointer,
        f"'${{{text}}}' (column {start - 1}) must be a field, step.last.field or count(step){hint}",
    )
    return None
