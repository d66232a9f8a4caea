"""Topics and keys by template: `logs.${service}`, `${tenant}/${user.id}`.

A hole holds a field of the event, looked for as everywhere (`events/fields.py`). An event without
the field has no key, and goes to the collector's own topic; there it goes with an empty text, too,
as `logs.` would be nobody's topic. What a sender puts into a field may choose among the topics that
`allowedTopics` names, and no others.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec

from summit.base.errors import Invalid
from summit.client.topics import is_topic_name
from summit.documents.problems import Problems
from summit.documents.templates import read_template
from summit.events.expressions.ir import Field
from summit.events.fields import compile_path
from summit.ingest.checks import bad_setting
from summit.journal.inputs import TopicFilter

Filled = Callable[[dict[str, Any]], str | None]

_TOPICS_MAX: Final = 10_000  # topics whose answer is remembered


def compile_template(text: str, pointer: str, *, takes_empty: bool = True) -> Filled:
    """A function that fills the template from an event; None where a field is missing.

    Args:
        takes_empty: Whether a field may be an empty text; else it counts as missing.

    Raises: Invalid("config.invalid") with the pointer.
    """
    problems = Problems()
    plan = read_template(text, pointer, problems)
    if plan is None:
        raise bad_setting(pointer, "; ".join(each.message for each in problems.found))
    parts: list[str | Callable[[Any], Any]] = []
    for part in plan.parts:
        if isinstance(part, str):
            parts.append(part)
        elif isinstance(part, Field):
            parts.append(compile_path(".".join(part.path)))
        else:
            raise bad_setting(pointer, "a hole must hold a field of the event")

    def fill(event: dict[str, Any]) -> str | None:
        filled = []
        for part in parts:
            if isinstance(part, str):
                filled.append(part)
                continue
            found = part(event)
            if found is None or (found == "" and not takes_empty):
                return None
            filled.append(found if type(found) is str else msgspec.json.encode(found).decode())
        return "".join(filled)

    return fill


def compile_topics(template: str, allowed: Sequence[str], topic: str) -> Filled:
    """A function that names the topic of an event: the template's, if it is allowed.

    Raises: Invalid("config.invalid"); the function raises Invalid("ingest.topic_refused").
    """
    fill = compile_template(template, "/topicTemplate", takes_empty=False)
    allows = topic_check(allowed, topic)

    def topic_of(event: dict[str, Any]) -> str:
        name = fill(event)
        return topic if name is None else allows(name)

    return topic_of


def topic_check(allowed: Sequence[str], topic: str) -> Callable[[str], str]:
    """A function that gives a topic back that senders may choose: an allowed one, or `topic`.

    It raises Invalid("ingest.topic_refused").
    """
    filtered = TopicFilter(allowed)
    known: dict[str, bool] = {topic: True}

    def allows(name: str) -> str:
        fits = known.get(name)
        if fits is None:
            fits = is_topic_name(name) and filtered.reads(name)
            if len(known) < _TOPICS_MAX:
                known[name] = fits
        if not fits:
            raise Invalid("ingest.topic_refused", topic=name[:100])
        return name

    return allows
