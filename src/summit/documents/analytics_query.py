"""The guide's class for analytics queries: `AnalyticsQuery`, as Python spells it.

It carries a document, it does not check it: `validate_query(query.to_dict())` does. A field that
is None was not given.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

from summit.base.config import Config
from summit.base.errors import Invalid


class AnalyticsQuery(Config, frozen=True, kw_only=True, omit_defaults=True):
    """What is worked out over a stream of events, by group and window.

    Attributes:
        event_types: Values of `eventType`; `*`, or none given, stands for every type.
        filters: Conditions {field, operator, value}, all of which an event must satisfy.
        where: An expression beside them.
        group_by: Field paths; their values, with their types, name a group.
        window: {type: tumbling | hopping | sliding | session | count | global, ...}.
        metrics: {name, field, function, ...} each.
        allowed_lateness: How long after its end a window is corrected: ms or a text such as `1m`.
        topic: A topic for final results, besides the system's own.
        limits: {groups, events, idle}.
        tests: Events that it is tried on, and what must come of them; see `summit rules test`.
        early: How often at most open windows are told as they stand; False = never.
    """

    id: str
    name: str | None = None
    description: str | None = None
    event_types: list[str] | None = None
    topics: list[str] | None = None
    filters: list[dict[str, Any]] | None = None
    where: str | dict[str, Any] | list[Any] | None = None
    group_by: list[str] | None = None
    window: dict[str, Any] | None = None
    metrics: list[dict[str, Any]] | None = None
    allowed_lateness: int | str | None = None
    tests: list[dict[str, Any]] | None = None
    topic: str | None = None
    limits: dict[str, Any] | None = None
    early: int | str | bool | None = None
    tags: list[str] | None = None
    enabled: bool | None = None
    version: int | str | None = None
    owner: str | None = None

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Make one from a document, with camelCase or snake_case keys.

        Raises: Invalid("config.unknown_key", "config.invalid") with a pointer.
        """
        given = {name: value for name, value in values.items() if name != "kind"}
        if values.get("kind", "query") != "query":
            reason = f"a document of kind {values['kind']!r} is no query"
            raise Invalid("config.invalid", reason=reason, pointer="/kind")
        return super().from_dict(given)
