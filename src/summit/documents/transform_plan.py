"""What a transformation means: one plan per operation, free of problems.

Paths are dot paths; in those that may have it, a part `*` stands for every element of a list and
every member of a map.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from summit.events.expressions.ir import Path

ConvertType = Literal["string", "number", "boolean", "json", "timestamp"]
ParseFormat = Literal["json", "csv", "keyValue", "regex", "syslog"]
TimeForm = Literal["ms", "seconds", "iso"]
OnError = Literal["pass", "tag", "drop", "deadLetter"]


@dataclass(frozen=True, slots=True)
class RenamePlan:
    """The value moves to another path."""

    field: Path
    target: Path


@dataclass(frozen=True, slots=True)
class ConvertPlan:
    """The value becomes one of another type."""

    field: Path
    type: ConvertType


@dataclass(frozen=True, slots=True)
class ExtractPlan:
    """The part of a text that a pattern finds; `target` None = in place of the text."""

    field: Path
    pattern: str
    group: int | str
    target: Path | None


@dataclass(frozen=True, slots=True)
class MaskPlan:
    """Characters of texts are hidden.

    Attributes:
        char: What stands for each hidden character.
        start_chars, end_chars: How many stay at either end.
        hidden_chars_min: Where fewer would be hidden, all are.
        keeps_domain: Whether `@` and what follows stay.
    """

    field: Path
    char: str
    start_chars: int
    end_chars: int
    hidden_chars_min: int
    keeps_domain: bool


@dataclass(frozen=True, slots=True)
class HashPlan:
    """Values become their HMAC; `key` is a reference to the secret, never the secret."""

    field: Path
    key: str
    algorithm: str


@dataclass(frozen=True, slots=True)
class RemovePlan:
    """The member goes."""

    field: Path


@dataclass(frozen=True, slots=True)
class AddPlan:
    """A constant is set."""

    field: Path
    value: Any


@dataclass(frozen=True, slots=True)
class CopyPlan:
    """A copy of the value is set at another path."""

    field: Path
    target: Path


@dataclass(frozen=True, slots=True)
class FlattenPlan:
    """A map of maps becomes one map, its names joined."""

    field: Path
    separator: str
    with_lists: bool


@dataclass(frozen=True, slots=True)
class ParsePlan:
    """A text becomes a map (of format `json`, whatever it holds).

    Attributes:
        columns, delimiter: Of `csv`.
        pair_separator, key_separator: Of `keyValue`; a pair separator of None is any white space.
        pattern: Of `regex`, with named groups.
        utc_offset_minutes: Of `syslog`: the zone of times that name none.
    """

    field: Path
    format: ParseFormat
    target: Path | None
    columns: tuple[str, ...] = ()
    delimiter: str = ","
    pair_separator: str | None = None
    key_separator: str = "="
    pattern: str = ""
    utc_offset_minutes: int = 0


@dataclass(frozen=True, slots=True)
class TimestampPlan:
    """A time, read in one of some formats, is written in one form; no formats = ISO or a number."""

    field: Path
    formats: tuple[str, ...]
    form: TimeForm
    utc_offset_minutes: int
    target: Path | None


@dataclass(frozen=True, slots=True)
class TruncateIpPlan:
    """Addresses lose their last bits."""

    field: Path
    ipv4_bits: int
    ipv6_bits: int


OperationPlan = (
    RenamePlan | ConvertPlan | ExtractPlan | MaskPlan | HashPlan | RemovePlan | AddPlan | CopyPlan
    | FlattenPlan | ParsePlan | TimestampPlan | TruncateIpPlan
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class TransformationPlan:
    """What a rule means.

    Attributes:
        event_types: The types that it is for; empty = every one.
        operations: (name as written, plan), in order.
        topics: Names or globs; empty = every topic.
    """

    id: str
    event_types: frozenset[str]
    operations: tuple[tuple[str, OperationPlan], ...]
    on_error: OnError = "pass"
    topics: tuple[str, ...] = ()
