"""The guide's classes for rules over single events, as Python spells them.

They carry a document, they do not check it: registering does. A field that is None was not given.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol, Self, TypeVar

import msgspec

from summit.base.config import Config, camel_name
from summit.documents.event_pattern import EventCondition, make_parts


class _Rule(Config, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """What all of them have; what was not given does not appear in `to_dict`."""

    id: str
    name: str | None = None
    description: str | None = None
    enabled: bool | None = None
    version: int | str | None = None
    owner: str | None = None
    tags: list[str] | None = None
    topics: list[str] | None = None


class _Selecting(_Rule, frozen=True, kw_only=True):
    """A rule for the events on which conditions hold."""

    conditions: list[EventCondition] | None = None
    where: str | dict[str, Any] | list[Any] | None = None

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Make one from a document, with camelCase or snake_case keys at every level.

        Raises: Invalid("config.unknown_key", "config.invalid") with a pointer.
        """
        given = dict(values)
        if "conditions" in given:
            given["conditions"] = make_parts(EventCondition, given["conditions"], "/conditions")
        return super().from_dict(given)

    def __post_init__(self) -> None:
        conditions = make_parts(EventCondition, self.conditions, "/conditions")
        msgspec.structs.force_setattr(self, "conditions", conditions)
        super().__post_init__()

    def to_dict(self) -> dict[str, Any]:
        found = super().to_dict()
        if self.conditions is not None:
            found["conditions"] = [item.to_dict() for item in self.conditions]
        return found


class TransformationRule(_Rule, frozen=True, kw_only=True):
    """What is done to the events of some types; see `summit.documents.transformation`.

    Attributes:
        event_type: A type, a list of types, or `*` for every one.
        transformations: `{field, operation, config}` in order.
        on_error: `pass` (default), `tag`, `drop` or `deadLetter`.
    """

    event_type: str | list[str] | None = None
    transformations: list[dict[str, Any]] | None = None
    on_error: str | None = None

    def __post_init__(self) -> None:
        if isinstance(self.transformations, list):
            steps = [_on_the_wire(step) for step in self.transformations]
            msgspec.structs.force_setattr(self, "transformations", steps)
        super().__post_init__()


class EnrichmentRule(_Rule, frozen=True, kw_only=True):
    """What is looked up for the events of some types; see `summit.documents.enrichment`.

    Attributes:
        event_type: A type, a list of types, or `*` for every one.
        enrichment_type: `lookup`, `api`, `geo` or `custom`.
        on_error: `pass` (default), `tag`, `drop` or `deadLetter`.
        handler: Of `custom`: a function that gives the row for an event, or None; may be async.
    """

    event_type: str | list[str] | None = None
    enrichment_type: str | None = None
    config: dict[str, Any] | None = None
    on_error: str | None = None
    handler: Callable[[Any], Any] | None = None

    def to_dict(self) -> dict[str, Any]:
        """The document; a function is no part of it."""
        return super(EnrichmentRule, msgspec.structs.replace(self, handler=None)).to_dict()

    def __post_init__(self) -> None:
        if self.config is not None:
            config = _on_the_wire({"config": self.config})["config"]
            msgspec.structs.force_setattr(self, "config", config)
        super().__post_init__()


class FilterRule(_Selecting, frozen=True, kw_only=True):
    """Which events go on: `action` is `include` or `exclude`; all conditions must hold."""

    action: str | None = None


class RouteRule(_Selecting, frozen=True, kw_only=True):
    """To which topics events go; all conditions must hold.

    Attributes:
        topic: A topic, or a list.
        default: Whether it is for events that no other route takes.
        stop: Whether the routes after it are not asked.
    """

    topic: str | list[str] | None = None
    default: bool | None = None
    stop: bool | None = None


def _on_the_wire(step: Any) -> Any:
    """An operation whose config has the names of the wire."""
    config = step.get("config") if isinstance(step, Mapping) else None
    if not isinstance(config, Mapping):
        return step
    named = {
        camel_name(name) if isinstance(name, str) else name: item for name, item in config.items()
    }
    return {**step, "config": named}


class _Document(Protocol):
    @property
    def id(self) -> str: ...

    @property
    def enabled(self) -> bool: ...


R = TypeVar("R", bound=_Rule)
D = TypeVar("D", bound=_Document)


def checked_rule(
    rule_class: type[R], validate: Callable[..., D], rule: R | Mapping[str, Any]
) -> tuple[R, D]:
    """The rule and its document.

    Raises: Invalid with `problems`, each with a pointer into the document.
    """
    if not isinstance(rule, Mapping):
        made, values = rule, rule.to_dict()
    else:
        given = {name: value for name, value in rule.items() if name != "kind"}
        made = rule_class.from_dict(given)
        values = made.to_dict()
        if "kind" in rule:
            values["kind"] = rule["kind"]
    return made, validate(values)
