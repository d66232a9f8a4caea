"""Subjects: under which name a schema stands in the registry."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from summit.base.config import suggestion
from summit.base.errors import Invalid
from summit.serde.protocol import Part

SubjectStrategy = Callable[[str, Part, str], str]
"""Subject of (topic, key or value, full name of the record or message)."""


def topic_subject(topic: str, part: Part, record: str) -> str:
    """`orders-value`: one kind of record a topic. The default."""
    return f"{topic}-{part}"


def record_subject(topic: str, part: Part, record: str) -> str:
    """`shop.Order`: the same schemas in every topic."""
    return record


def topic_record_subject(topic: str, part: Part, record: str) -> str:
    """`orders-shop.Order`: several kinds of record in a topic."""
    return f"{topic}-{record}"


STRATEGIES: Final[dict[str, SubjectStrategy]] = {
    "topic": topic_subject,
    "record": record_subject,
    "topic-record": topic_record_subject,
}


def strategy_of(given: str | SubjectStrategy) -> SubjectStrategy:
    """A strategy by its name, or one's own. Raises Invalid("config.invalid")."""
    if not isinstance(given, str):
        return given
    found = STRATEGIES.get(given)
    if found is None:
        raise Invalid(
            "config.invalid",
            reason=f"'{given}' is no subject strategy{suggestion(given, STRATEGIES)}; "
            f"there are {', '.join(STRATEGIES)}",
            pointer="/subject",
        )
    return found
