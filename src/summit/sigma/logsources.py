"""From Sigma's log sources to our events: types, topics, and what else must hold.

Without a mapping the type of an event is `product.category` or `product.service`, as far as a rule
names them: `windows.process_creation`, `windows.security`, `proxy`. A mapping says it otherwise:

    keywordFields: [message]
    logsources:
      - {product: windows, category: process_creation, eventType: sysmon.process, topics: [edr]}
      - {product: linux, service: sshd, eventType: [auth.login.failed, auth.login.success]}
      - {product: windows, service: security, where: 'Channel == "Security"'}

The first that has all that the rule's log source says is taken.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import msgspec

from summit.base.errors import Invalid
from summit.sigma.values import constant

_KEYWORD_FIELDS: Final = ("message",)


class LogSource(msgspec.Struct, forbid_unknown_fields=True, rename="camel"):
    """A row of the mapping; what it does not name matches every rule."""

    product: str | None = None
    category: str | None = None
    service: str | None = None
    event_type: str | list[str] | None = None
    topics: list[str] = []
    where: str | None = None


class SourceMapping(msgspec.Struct, forbid_unknown_fields=True, rename="camel"):
    """The whole mapping."""

    logsources: list[LogSource] = []
    keyword_fields: tuple[str, ...] = _KEYWORD_FIELDS


class Stream(NamedTuple):
    """Where a rule's events come from: expressions that hold for all of them, and topics."""

    tests: list[str]
    topics: list[str]


def read_mapping(values: Mapping[str, Any]) -> SourceMapping:
    """A mapping of plain values. Raises: Invalid("sigma.mapping")."""
    try:
        return msgspec.convert(values, SourceMapping)
    except msgspec.ValidationError as error:
        raise Invalid("sigma.mapping", reason=str(error)) from error


def stream_of(mapping: SourceMapping, logsource: Any) -> Stream:
    """The stream of a rule's log source."""
    row = next((row for row in mapping.logsources if _fits(row, logsource)), LogSource())
    types = row.event_type
    if types is None and row.where is None:
        types = default_type(logsource)
    tests = []
    if isinstance(types, str):
        tests.append(f"eventType == {constant(types)}")
    elif types is not None:
        tests.append(f"eventType in {constant(types)}")
    if row.where is not None:
        tests.append(f"({row.where})")
    return Stream(tests, list(row.topics))


def default_type(logsource: Any) -> str:
    """The type of events of a log source that no mapping names."""
    parts = (logsource.product, logsource.category or logsource.service)
    return ".".join(part for part in parts if part)


def _fits(row: LogSource, logsource: Any) -> bool:
    return all(
        wanted is None or wanted == getattr(logsource, name)
        for name in ("product", "category", "service")
        for wanted in [getattr(row, name)]
    )
