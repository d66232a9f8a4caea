"""`_summit.backfills`: how far backfills are, and what their rules have begun. Pure.

Compacted. A backfill is written by one worker at a time, in the transactions with what its rule
finds in the past; when it is over the owners of the key groups take up what stands here.

    partition 0   key [backfill]          value: the mark, JSON
    partition 1   key [backfill, name]    value: as `_summit.state` has it under that name
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import msgspec

from summit.base.errors import Corrupt
from summit.client.transactor import Outgoing
from summit.client.types import ConsumerRecord
from summit.journal.progress_record import Positions, split_partition_name
from summit.journal.state_log import Content, Copy, Record, moved_state
from summit.journal.topics import BACKFILLS_TOPIC
from summit.keyed.captured import Move
from summit.keyed.keygroups import KEY_GROUPS

MARKS: Final = 0
STATES: Final = 1


class BackfillMark(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """How far a backfill is.

    Attributes:
        state_id: What the rule meant; a backfill of another meaning begins anew.
        positions: Next offset of each input.
        ends: Where they ended when it was last looked.
        last_ms: Time of each input's last record.
        tick_ms: How far the clock of the records has come.
        full: The positions are those from which on the rule acts in the workers.
        records: Read so far.
        written_to: Where the topics that the rule writes to ended when it began: what stands
            below was written before. Empty: not known.
    """

    state_id: str
    positions: Positions
    ends: Positions = {}
    last_ms: dict[str, int] = {}
    tick_ms: int | None = None
    full: bool = False
    records: int = 0
    written_to: Positions = {}


_encode = msgspec.json.Encoder().encode
_NAME: Final = msgspec.json.Decoder(list[str])
_MARK: Final = msgspec.json.Decoder(BackfillMark)


def mark_record(backfill: str, mark: BackfillMark | None) -> Outgoing:
    """What says how far a backfill is; None = it is over and taken up."""
    value = None if mark is None else _encode(mark)
    return Outgoing(BACKFILLS_TOPIC, _encode([backfill]), value, MARKS)


def state_records(backfill: str, records: Iterable[Record]) -> list[Outgoing]:
    """What the rule has begun, as records of `_summit.state`, under the backfill."""
    return [
        Outgoing(BACKFILLS_TOPIC, _encode([backfill, name.decode()]), value, STATES)
        for name, value in records
    ]


def moved_backfill(
    key: bytes, value: bytes | None, move: Move, log_of_definitions: tuple[str, int]
) -> Record:
    """A record of either partition, of which inputs, outputs and events stand elsewhere now.

    Raises: Corrupt("journal.backfill"); as `moved_state`.
    """
    try:
        backfill, *names = _NAME.decode(key)
        if names:
            (name,) = names
            moved, state = moved_state(name.encode(), value, move, log_of_definitions)
            return _encode([backfill, moved.decode()]), state
        if value is None:
            return key, None
        mark = _MARK.decode(value)
    except (msgspec.MsgspecError, ValueError) as error:
        raise Corrupt("journal.backfill", reason=str(error)) from error

    def there(positions: Positions) -> Positions:
        return {
            place: move(*split_partition_name(place), at, None)[0]
            for place, at in positions.items()
        }

    moved_mark = msgspec.structs.replace(
        mark, positions=there(mark.positions), ends=there(mark.ends),
        written_to=there(mark.written_to),
    )  # fmt: skip
    return key, _encode(moved_mark)


class BackfillMarks:
    """The marks of all backfills, as their records come."""

    def __init__(self) -> None:
        self.marks: dict[str, BackfillMark] = {}

    def take(self, records: Iterable[ConsumerRecord]) -> None:
        """The next records of partition 0. Raises: Corrupt("journal.backfill")."""
        for record in records:
            try:
                (backfill,) = _NAME.decode(record.key or b"")
                if record.value is None:
                    self.marks.pop(backfill, None)
                else:
                    self.marks[backfill] = _MARK.decode(record.value)
            except (msgspec.MsgspecError, ValueError) as error:
                raise Corrupt("journal.backfill", reason=str(error)) from error


class BackfillStates:
    """What one backfill's rule has begun, as the records of partition 1 come."""

    def __init__(self, backfill: str) -> None:
        self._backfill = backfill
        self._last: dict[bytes, bytes] = {}

    def take(self, records: Iterable[ConsumerRecord]) -> None:
        """The next records. Raises: Corrupt("journal.backfill")."""
        for record in records:
            try:
                backfill, name = _NAME.decode(record.key or b"")
            except (msgspec.MsgspecError, ValueError) as error:
                raise Corrupt("journal.backfill", reason=str(error)) from error
            if backfill != self._backfill:
                continue
            if record.value is None:
                self._last.pop(name.encode(), None)
            else:
                self._last[name.encode()] = record.value

    def content(self) -> Content:
        """All of it. Raises: Corrupt("journal.state")."""
        copy = Copy()
        for name, value in self._last.items():
            copy.put(name, value)
        return copy.content(range(KEY_GROUPS))

    def gone(self) -> list[Outgoing]:
        """What deletes all of it."""
        return state_records(self._backfill, [(name, None) for name in self._last])
