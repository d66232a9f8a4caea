"""The guide's class for correlation rules: `CorrelationRule`, as Python spells it.

It carries a document, it does not check it: `validate_correlation(rule.to_dict())` does. A field
that is None was not given.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

from summit.base.config import Config
from summit.base.errors import Invalid


class CorrelationRule(Config, frozen=True, kw_only=True, omit_defaults=True):
    """Which events belong together, and when their group is told.

    Attributes:
        event_types: Values of `eventType`; `*`, or none given, stands for every type.
        correlation_key: A field path, or a path by event type.
        correlation_keys: Several of them, which together are the key.
        tests: Events that it is tried on, and what must come of them; see `summit rules test`.
        linked_by: Fields by kind of entity (`{"user": ["user", "actor"]}`): events that share a
            value are linked, and what is linked is one group. The key, if any, keeps apart.
        hubs: `links`: with how many events that bring something new a value links; `ignore`:
            values that link nothing.
        time_window: How long a group is open since its first event (half-open): milliseconds or
            a text such as `1h`. With `window="session"` the longest a session may be.
        window: `fixed` or `session`.
        gap: Of a session: how long after its last event an event still joins (inclusive).
        min_events: From so many events on a group is told.
        max_events: How many events a group keeps; 10,000 when not given.
        on_max: `close` (a full group is closed, the next event opens another) or `cap` (it counts
            on and keeps no more).
        require_types: A group is told only when it has an event of each.
        limits: `groups` and `events` that are kept at a time.
    """

    id: str
    name: str | None = None
    description: str | None = None
    event_types: list[str] | None = None
    correlation_key: str | dict[str, str] | None = None
    correlation_keys: list[str | dict[str, str]] | None = None
    linked_by: dict[str, str | list[str]] | None = None
    hubs: dict[str, Any] | None = None
    time_window: int | str | None = None
    window: str | None = None
    gap: int | str | None = None
    min_events: int | None = None
    max_events: int | None = None
    on_max: str | None = None
    require_types: list[str] | None = None
    topics: list[str] | None = None
    limits: dict[str, int] | None = None
    tests: list[dict[str, Any]] | None = None
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
        if values.get("kind", "correlation") != "correlation":
            reason = f"a document of kind {values['kind']!r} is no correlation"
            raise Invalid("config.invalid", reason=reason, pointer="/kind")
        return super().from_dict(given)
