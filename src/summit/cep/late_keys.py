"""What is kept of one key so that its late events can be put where they belong.

The state of the key as it was `lateness` ago, the events it has been given since, and what it has
told since: with a late event all of that is gone through again, from the state of before.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

import msgspec

from summit.cep.match import Match
from summit.keyed.captured import Captured

Identity = tuple[Any, ...]
_PLACE_BYTES: Final = 60  # bytes beside the values of an event, and of a match
_encode = msgspec.msgpack.Encoder().encode


class Row(NamedTuple):
    """An event that the key was given.

    Attributes:
        event: Never given to a lane itself, which would change it; see `fresh`.
        transport: The members of its `Transport`, where rules read the record around an event.
    """

    event: Captured
    mask: int
    transport: dict[str, Any] | None = None

    def fresh(self) -> Captured:
        """The event, for a lane to take."""
        return copy(self.event)

    @property
    def size(self) -> int:
        """Bytes of it in a saved state, about."""
        around = 0 if self.transport is None else len(_encode(self.transport))
        return len(self.event.value) + around + _PLACE_BYTES


@dataclass(slots=True)
class Said:
    """A match that was told.

    Attributes:
        match: As it was told first, or last corrected.
        revision: How often it was corrected.
        withdrawn_ms: How far time had come when it was withdrawn; None = it holds.
    """

    match: Match
    revision: int = 0
    withdrawn_ms: int | None = None

    @property
    def size(self) -> int:
        """Bytes of it in a saved state, about."""
        values = (ref.value or ref.projection or b"" for _, ref in self.match.captures)
        return _PLACE_BYTES + sum(len(value) + _PLACE_BYTES for value in values)


@dataclass(slots=True)
class Kept:
    """See the module.

    Attributes:
        base: The state of before; None = there was none.
        base_ms: It is that of this time: events of before are in it, and timers until then.
        rows: The events since, in the order of time.
        told: The matches since.
        size: Bytes of the rows and matches in a saved state, about.
        fired_ms: How far time had come when it last changed the state of now.
    """

    base: bytes | None
    base_ms: float
    rows: list[Row] = field(default_factory=list)
    told: dict[Identity, Said] = field(default_factory=dict)
    size: int = 0
    fired_ms: float = float("-inf")

    def put(self, row: Row) -> None:
        """Take an event in at its place."""
        insort(self.rows, row, key=_place)
        self.size += row.size

    def tell(self, said: Said) -> None:
        """Remember a match that was told, in place of what was told of it before."""
        name = identity(said.match)
        before = self.told.get(name)
        self.told[name] = said
        self.size += said.size - (0 if before is None else before.size)

    def drop(self, name: Identity) -> None:
        """Forget a match that was told."""
        said = self.told.pop(name, None)
        if said is not None:
            self.size -= said.size

    def take_before(self, time_ms: float) -> list[Row]:
        """Take out the events before a time."""
        count = 0
        while count < len(self.rows) and self.rows[count].event.time_ms < time_ms:
            count += 1
        return self.take_first(count)

    def take_first(self, count: int) -> list[Row]:
        """Take out so many of the oldest events."""
        taken, self.rows = self.rows[:count], self.rows[count:]
        self.size -= sum(row.size for row in taken)
        return taken

    def note(self, matches: Sequence[Match]) -> list[Match]:
        """Matches are told in their time; one that was withdrawn before is told anew."""
        found: list[Match] = []
        for match in matches:
            said = self.told.get(identity(match))
            if said is None:
                self.tell(Said(match))
                found.append(match)
            else:
                self.tell(Said(match, said.revision + 1))
                found.append(_corrected(match, said.revision + 1))
        return found

    def settle(self, matches: list[Match], time_ms: float) -> None:
        """These can be corrected no more, nor can what was withdrawn until then."""
        for match in matches:
            self.drop(identity(match))
        over = [
            name for name, said in self.told.items()
            if said.withdrawn_ms is not None and said.withdrawn_ms <= time_ms
        ]  # fmt: skip
        for name in over:
            self.drop(name)

    def corrections(self, matches: list[Match], now_ms: int) -> list[Match]:
        """What is to be told, when these are all the matches since.

        Args:
            now_ms: How far time has come.
        Returns: Withdrawn ones, then those that have changed, then new ones, each in order.
        """
        withdrawn: list[Match] = []
        changed: list[Match] = []
        new: list[Match] = []
        now = {identity(match): match for match in matches}
        for name, said in self.told.items():
            if said.withdrawn_ms is None and name not in now:
                said.revision += 1
                said.withdrawn_ms = now_ms
                withdrawn.append(_corrected(said.match, said.revision, withdrawn=True))
        for name, match in now.items():
            known = self.told.get(name)
            if known is None:
                self.tell(Said(match))
                new.append(_corrected(match, 0))
            elif known.withdrawn_ms is not None or known.match != match:
                self.tell(Said(match, known.revision + 1))
                changed.append(_corrected(match, known.revision + 1))
        return withdrawn + changed + new

    @property
    def reached_ms(self) -> float:
        """How far the state of now has come: an event of before is to be put among the others."""
        last_ms = self.rows[-1].event.time_ms if self.rows else self.base_ms
        return max(last_ms, self.base_ms, self.fired_ms)

    @property
    def oldest_ms(self) -> float:
        """The time of the oldest event or match; infinite when there is none."""
        ends = [said.match.end_ms for said in self.told.values()]
        if self.rows:
            ends.append(self.rows[0].event.time_ms)
        return min(ends, default=float("inf"))


def identity(match: Match) -> Identity:
    """What tells a match from others of its key: the same as for the id of its alert."""
    captures = match.captures
    if match.window is not None:
        captures = [] if match.timed else captures[-1:]
    events = tuple((step, ref.topic, ref.partition, ref.offset) for step, ref in captures)
    end_ms = match.end_ms if match.timed else None
    return match.key, match.timed_out, match.window, end_ms, events


def _corrected(match: Match, revision: int, *, withdrawn: bool = False) -> Match:
    return msgspec.structs.replace(match, revision=revision, late=True, withdrawn=withdrawn)


def _place(row: Row) -> tuple[int, str, int, int]:
    event = row.event
    return event.time_ms, event.origin.topic, event.origin.partition, event.offset
