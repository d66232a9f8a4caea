"""What `_summit.definitions` says: the current set, and every change ever tried. No I/O.

The topic has one partition and is kept for ever: it is the audit trail. A record's key is
`kind/id`, its value the document as JSON, or null to delete. The header `expectedOffset` makes a
write conditional: it is accepted only if the offset of the key's current definition is that one
(-1: there is none). Every follower decides by log order alone, so all decide alike:

    offset  key        expectedOffset   decision
    0       pattern/a  -                accepted
    1       pattern/a  0                accepted: the current one is 0
    2       pattern/a  0                rejected: the current one is 1
    3       pattern/b  -1               accepted: there is none
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, Literal

import msgspec

EXPECTED_OFFSET_HEADER: Final = "expectedOffset"
ABSENT_OFFSET: Final = -1
Headers = Iterable[tuple[str, bytes | None]]
Decision = Literal["accepted", "conflict", "invalid"]


class Definition(msgspec.Struct, frozen=True, kw_only=True):
    """One definition that is in force.

    Attributes:
        document: As it was published.
        offset: Its record's; what a conditional change must name.
        version: 1 for the first accepted one under this key, counting up.
        timestamp_ms: When it was published.
    """

    kind: str
    id: str
    document: dict[str, Any]
    offset: int
    version: int
    timestamp_ms: int


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """One record of the log and what became of it.

    Attributes:
        value: The document's bytes; None = a deletion.
        current_offset: The key's definition before this record; -1 = none.
        definition: What it put in force; None for a deletion or a refusal.
        reason: Why it was not accepted; empty when it was.
    """

    key: str
    offset: int
    timestamp_ms: int
    value: bytes | None
    decision: Decision
    current_offset: int
    definition: Definition | None = None
    reason: str = ""

    @property
    def accepted(self) -> bool:
        """Whether the record changed the set."""
        return self.decision == "accepted"


class DefinitionLog:
    """Folds the records of the topic, in log order."""

    def __init__(self) -> None:
        self._current: dict[str, Definition] = {}
        self._changes: list[Change] = []
        self._by_offset: dict[int, Change] = {}
        self._versions: dict[str, int] = {}
        self._first: dict[str, Change] = {}
        self.next_offset = 0

    def apply(
        self,
        offset: int,
        timestamp_ms: int,
        key: bytes | str | None,
        value: bytes | None,
        headers: Headers = (),
    ) -> Change:
        """Take the next record; returns what became of it."""
        name = key.decode(errors="replace") if isinstance(key, bytes) else key or ""
        known = self._current.get(name)
        current_offset = ABSENT_OFFSET if known is None else known.offset
        decision, reason, document = _decide(name, value, headers, current_offset)
        definition: Definition | None = None
        if decision == "accepted" and document is not None:
            kind, _, definition_id = name.partition("/")
            definition = Definition(
                kind=kind,
                id=definition_id,
                document=document,
                offset=offset,
                version=self._versions.get(name, 0) + 1,
                timestamp_ms=timestamp_ms,
            )
        change = Change(
            key=name,
            offset=offset,
            timestamp_ms=timestamp_ms,
            value=value,
            decision=decision,
            current_offset=current_offset,
            definition=definition,
            reason=reason,
        )
        self._take(change)
        self.next_offset = offset + 1
        return change

    def current(self, kind: str | None = None) -> list[Definition]:
        """The definitions in force, in the order of their offsets; of one kind, or all."""
        found = [d for d in self._current.values() if kind is None or d.kind == kind]
        return sorted(found, key=lambda definition: definition.offset)

    def registered(self, kind: str) -> list[Definition]:
        """Those of a kind in the order in which they were first registered, newer versions or not.

        One that was removed and comes back is the last.
        """
        return [definition for definition in self._current.values() if definition.kind == kind]

    def get(self, kind: str, definition_id: str) -> Definition | None:
        """The definition in force under a kind and id, or None."""
        return self._current.get(definition_key(kind, definition_id))

    def since_ms(self, kind: str, definition_id: str) -> int:
        """When a definition in force was first registered, newer versions or not; 0 = it is not."""
        first = self._first.get(definition_key(kind, definition_id))
        return 0 if first is None else first.timestamp_ms

    def first_offset(self, definition: Definition) -> int:
        """Where a definition in force was first registered, newer versions or not."""
        return self._first[definition_key(definition.kind, definition.id)].offset

    def change_at(self, offset: int) -> Change | None:
        """What became of the record at an offset; None when it was not read."""
        return self._by_offset.get(offset)

    def history(self, kind: str | None = None, definition_id: str | None = None) -> list[Change]:
        """Every change tried, oldest first; of one kind or one definition, or all."""
        if kind is None:
            return list(self._changes)
        if definition_id is None:
            return [c for c in self._changes if c.key.startswith(f"{kind}/")]
        key = definition_key(kind, definition_id)
        return [change for change in self._changes if change.key == key]

    def until(self, offset: int) -> DefinitionLog:
        """The log as it stood before the record at `offset`."""
        past = DefinitionLog()
        for change in self._changes:
            if change.offset >= offset:
                break
            past._take(change)
        past.next_offset = min(self.next_offset, offset)
        return past

    def _take(self, change: Change) -> None:
        self._changes.append(change)
        self._by_offset[change.offset] = change
        if not change.accepted:
            return
        if change.definition is None:
            self._current.pop(change.key, None)
            self._first.pop(change.key, None)
        else:
            self._versions[change.key] = change.definition.version
            self._current[change.key] = change.definition
            self._first.setdefault(change.key, change)


def definition_key(kind: str, definition_id: str) -> str:
    """The record key of a definition."""
    return f"{kind}/{definition_id}"


def _decide(
    key: str, value: bytes | None, headers: Headers, current_offset: int
) -> tuple[Decision, str, dict[str, Any] | None]:
    kind, _, definition_id = key.partition("/")
    if not kind or not definition_id:
        return "invalid", "the key is not kind/id", None
    document: Any = None
    if value is not None:
        try:
            document = msgspec.json.decode(value)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return "invalid", "the value is not JSON", None
        if not isinstance(document, dict):
            return "invalid", "the value is not a JSON object", None
        if document.get("kind", kind) != kind or document.get("id", definition_id) != definition_id:
            return "invalid", "kind and id of the document are not those of the key", None
    wanted = _expected_offset(headers)
    if wanted == "unreadable":
        return "invalid", f"the header {EXPECTED_OFFSET_HEADER} is not a number", None
    if wanted is not None and wanted != current_offset:
        return "conflict", f"expected offset {wanted}, the current one is {current_offset}", None
    return "accepted", "", document


def _expected_offset(headers: Headers) -> int | Literal["unreadable"] | None:
    wanted: int | Literal["unreadable"] | None = None
    for name, value in headers:
        if name == EXPECTED_OFFSET_HEADER:
            try:
                wanted = int(value or b"")
            except ValueError:
                wanted = "unreadable"
    return wanted
