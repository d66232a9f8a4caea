"""The guide's classes for patterns: `EventPattern` and its parts, as Python spells them.

They carry a document, they do not check it: `validate_pattern(pattern.to_dict())` does. A field
that is None was not given.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, Self

import msgspec

from summit.base.config import Config
from summit.base.errors import Invalid
from summit.documents.problems import join_pointer

# Names with two words inside members that are plain maps: steps, where, limits, afterMatch, …
_SNAKE_TO_CAMEL: Final = {
    "any_of": "anyOf", "compare_as": "compareAs", "event_type": "eventType",
    "group_by": "groupBy", "max_time_diff": "maxTimeDiff",
    "runs_per_key": "runsPerKey", "severity_rules": "severityRules", "to_first": "toFirst",
    "to_last": "toLast",
}  # fmt: skip


class _Part(Config, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """A part of a pattern; what was not given does not appear in `to_dict`."""


class EventCondition(_Part, frozen=True, kw_only=True):
    """One condition of the guide's list, or of a step's `where`.

    Attributes:
        value: A JSON value; None is null, which only a field without value equals.
        event_type: Opens the next step for events of this type.
        step: Name of the step that it opens.
        times: How often the step must happen: n or {min, max}.
        ref: In place of `value`: a field of an earlier event, such as `failed.last.user`.
        compare_as: How the order of the two values is meant.
    """

    field: str | None = None
    operator: str | None = None
    value: Any = msgspec.UNSET
    event_type: str | None = None
    step: str | None = None
    times: int | dict[str, Any] | None = None
    negate: bool | None = None
    ref: str | None = None
    compare_as: str | None = None


class WindowConfig(_Part, frozen=True, kw_only=True):
    """The guide's window; durations in milliseconds or texts such as `60s`."""

    type: str
    size: int | str
    slide: int | str | None = None
    gap: int | str | None = None
    allowed_lateness_ms: int | str | None = None


class EventAction(_Part, frozen=True, kw_only=True):
    """What a match leads to.

    Attributes:
        handler: Python only, and only with type `custom`; never part of `to_dict`.
    """

    type: str
    config: dict[str, Any] = msgspec.field(default_factory=dict)
    handler: Any = None

    def check(self) -> None:
        if self.handler is not None and (self.type != "custom" or not callable(self.handler)):
            reason = "a handler is a callable and goes with type 'custom'"
            raise Invalid("config.invalid", reason=reason, pointer="/handler")

    def __post_init__(self) -> None:
        msgspec.structs.force_setattr(self, "config", _camel(self.config))
        super().__post_init__()

    def to_dict(self) -> dict[str, Any]:
        return {"type": self.type, "config": self.config}


class AggregationConfig(_Part, frozen=True, kw_only=True):
    """What the action `aggregate` computes: `EventAction(type="aggregate", config=this.to_dict())`.

    Attributes:
        aggregations: `{field, function, percentile, name}`, at least one.
        group_by: Fields of the matched events; without them one group.
        topic: Where the figures go; `aggregates` when not given.
        window: Not given: the events are those of a match, whose window is the pattern's.
    """

    aggregations: list[dict[str, Any]]
    group_by: list[str] | None = None
    topic: str | None = None
    window: WindowConfig | None = None

    def check(self) -> None:
        if self.window is not None:
            reason = "the window is the pattern's: give it as window_config there"
            raise Invalid("config.invalid", reason=reason, pointer="/window")


class TemporalRelation(_Part, frozen=True, kw_only=True):
    """How two events lie to each other in time.

    Attributes:
        type: before, after, meets, overlaps, during, starts, finishes or equals.
        event1, event2: Steps, or event types.
        max_time_diff: Most that lies between them: milliseconds, or text such as `5m`.
    """

    type: str
    event1: str
    event2: str
    max_time_diff: int | str | None = None


class EventPattern(_Part, frozen=True, kw_only=True):
    """A pattern, in the guide's form (`conditions`, `window_config`) or with `steps`."""

    id: str
    name: str | None = None
    description: str | None = None
    conditions: list[EventCondition] | None = None
    window_config: WindowConfig | None = None
    action: EventAction | None = None
    topics: list[str] | None = None
    group_by: list[str] | None = None
    where: str | dict[str, Any] | list[Any] | None = None
    steps: list[dict[str, Any]] | None = None
    within: int | str | None = None
    window: dict[str, Any] | None = None
    aggregates: list[dict[str, Any]] | None = None
    having: str | list[Any] | None = None
    rearm: str | dict[str, Any] | None = None
    score: dict[str, Any] | None = None
    expected_keys: list[Any] | None = None
    matching: str | None = None
    strict_order: bool | None = None
    after_match: str | dict[str, Any] | None = None
    emit: str | None = None
    on_timeout: dict[str, Any] | None = None
    temporal_relations: list[dict[str, Any]] | None = None
    limits: dict[str, Any] | None = None
    severity: dict[str, Any] | None = None
    suppress: dict[str, Any] | None = None
    allowed_lateness: int | str | None = None
    tags: list[str] | None = None
    tests: list[dict[str, Any]] | None = None
    enabled: bool | None = None
    version: int | str | None = None
    owner: str | None = None

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Make one from a document, with camelCase or snake_case keys at every level.

        Raises: Invalid("config.unknown_key", "config.invalid") with a pointer.
        """
        given = {name: value for name, value in values.items() if name != "kind"}
        if values.get("kind", "pattern") != "pattern":
            reason = f"a document of kind {values['kind']!r} is no pattern"
            raise Invalid("config.invalid", reason=reason, pointer="/kind")
        for name, (wire, part) in _PARTS.items():
            for key in (name, wire):
                if key in given:
                    given[key] = make_parts(part, given[key], join_pointer("", wire))
        return super().from_dict(given)

    def __post_init__(self) -> None:
        for name, (wire, part) in _PARTS.items():
            value = make_parts(part, getattr(self, name), join_pointer("", wire))
            msgspec.structs.force_setattr(self, name, value)
        for name in _NESTED:
            msgspec.structs.force_setattr(self, name, _camel(getattr(self, name)))
        super().__post_init__()

    def to_dict(self) -> dict[str, Any]:
        """The document, without what was not given."""
        found: dict[str, Any] = {}
        for field in msgspec.structs.fields(self):
            value = getattr(self, field.name)
            if value is None:
                continue
            if isinstance(value, Config):
                value = value.to_dict()
            elif field.name == "conditions":
                value = [condition.to_dict() for condition in value]
            found[field.encode_name] = value
        return found


_PARTS: Final[dict[str, tuple[str, type[_Part]]]] = {
    "conditions": ("conditions", EventCondition),
    "window_config": ("windowConfig", WindowConfig),
    "action": ("action", EventAction),
}
_NESTED: Final = (
    "where", "steps", "window", "aggregates", "having", "after_match", "on_timeout", "limits",
    "temporal_relations",
)  # fmt: skip


def make_parts(part: type[_Part], value: Any, pointer: str) -> Any:
    """Mappings, also in lists, made into parts; anything else stays for the type check."""
    if isinstance(value, Mapping):
        return _placed(lambda: part.from_dict(value), pointer)
    if isinstance(value, (list, tuple)):
        return [
            make_parts(part, item, join_pointer(pointer, number))
            for number, item in enumerate(value)
        ]
    return value


def _placed(make: Callable[[], Any], pointer: str) -> Any:
    try:
        return make()
    except Invalid as error:
        error.details["pointer"] = pointer + str(error.details.get("pointer", ""))
        raise


def _camel(value: Any) -> Any:
    """Maps with the names of the wire; the values of conditions stay as they are."""
    if isinstance(value, Mapping):
        return {
            _SNAKE_TO_CAMEL.get(name, name): item if name == "value" else _camel(item)
            for name, item in value.items()
        }
    if isinstance(value, (list, tuple)):
        return [_camel(item) for item in value]
    return value
