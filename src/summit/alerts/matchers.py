"""Matchers: which alerts a silence or an inhibition is about."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from summit.base.errors import Invalid
from summit.events.severities import SEVERITIES


class Matchers(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """What an alert must have; every member that is given must hold.

    Attributes:
        severity: It is one of these.
        rule: Its rule's id is one of these.
        tags: It has all of these.
        key: These fields of its key have these values.
        entity: It is about one of these entities, written `field=value`.
    """

    severity: tuple[str, ...] = ()
    rule: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    key: dict[str, Any] = {}
    entity: tuple[str, ...] = ()

    def matches(
        self,
        severity: str,
        rule: str | None,
        tags: Sequence[str],
        key: Mapping[str, Any],
        entities: Sequence[str],
    ) -> bool:
        """Whether an alert with these is meant."""
        return (
            (not self.severity or severity in self.severity)
            and (not self.rule or rule in self.rule)
            and all(tag in tags for tag in self.tags)
            and all(name in key and _same(key[name], value) for name, value in self.key.items())
            and (not self.entity or any(entity in entities for entity in self.entity))
        )


def read_matchers(values: object, pointer: str = "/matchers") -> Matchers:
    """Matchers of plain values; a single text stands for a list of one.

    Raises: Invalid("alert.matchers"): unknown names, wrong kinds, or nothing given, which would
        mean every alert there is.
    """
    if not isinstance(values, Mapping):
        raise _refused("they are an object", pointer)
    known = {field.encode_name for field in msgspec.structs.fields(Matchers)}
    lists: dict[str, Any] = {}
    for name, value in values.items():
        if name not in known:
            raise _refused(f"'{name}' is none of {', '.join(sorted(known))}", f"{pointer}/{name}")
        lists[name] = [value] if isinstance(value, str) else value
    try:
        found = msgspec.convert(lists, Matchers)
    except msgspec.ValidationError as error:
        raise _refused(str(error), pointer) from error
    if found == Matchers():
        raise _refused(f"at least one of {', '.join(sorted(known))} is needed", pointer)
    for severity in found.severity:
        if severity not in SEVERITIES:
            reason = f"'{severity}' is no severity; use {', '.join(SEVERITIES)}"
            raise _refused(reason, f"{pointer}/severity")
    return found


def entities_of(key: Mapping[str, Any]) -> tuple[str, ...]:
    """The entities an alert is about: a text `field=value` for each field of its key.

    >>> entities_of({"sourceIP": "10.0.0.1", "port": 22})
    ('sourceIP=10.0.0.1', 'port=22')
    """
    return tuple(f"{name}={key_text(value)}" for name, value in key.items())


def key_text(value: object) -> str:
    """One value of a key as text: texts as they are, all else as JSON."""
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def _same(one: object, other: object) -> bool:
    """Equal values; JSON's true is not its 1."""
    return one == other and isinstance(one, bool) == isinstance(other, bool)


def _refused(reason: str, pointer: str) -> Invalid:
    return Invalid("alert.matchers", reason=reason, pointer=pointer)
