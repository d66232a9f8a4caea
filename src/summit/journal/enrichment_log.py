"""`_summit.enrichments`: what enrichments have found, so that the past can be read again. Pure.

A source may answer otherwise tomorrow; a replay reads what it answered then. A record is written in
the transaction with the positions of the events that asked:

    {"rule": "geo", "topic": "auth", "partition": 0,
     "rows": [["\\"1.1.1.1\\"", 4711, "found", {"country": "Australia"}, "", 1700000000000], …]}

says that from offset 4711 of that partition on the rule has that for the key (its JSON; "" for a
rule that looks at whole events), until a later row says otherwise: status, row, reason, and when it
was had. Only what differs from before is written.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from hashlib import blake2b
from typing import Any, Final, Literal

import msgspec

from summit.base.errors import Corrupt
from summit.base.limits import ENRICHMENT_RECORDED_MAX, ENRICHMENT_ROW_BYTES_MAX
from summit.enrich.enriching import Found
from summit.keyed.captured import Move

RECORD_BYTES_MAX: Final = 400_000  # of rows; a record of default size holds them
Row = tuple[str, int, Literal["found", "miss", "error"], Any, str, int | None]
_Place = tuple[str, str, int]  # rule, topic, partition


class Recorded(msgspec.Struct, frozen=True):
    """One record; see the module."""

    rule: str
    topic: str
    partition: int
    rows: list[Row]


_encode = msgspec.json.Encoder().encode
_canonical = msgspec.json.Encoder(order="deterministic").encode
_DECODER: Final = msgspec.json.Decoder(Recorded)
UNKNOWN: Final = Found("miss", reason="it is not recorded what was found then")


def decode_recorded(value: bytes) -> Recorded:
    """The record of a value. Raises Corrupt("journal.enrichment")."""
    try:
        return _DECODER.decode(value)
    except msgspec.MsgspecError as error:
        raise Corrupt("journal.enrichment", reason=str(error)) from error


def moved_recorded(value: bytes, move: Move) -> bytes:
    """The same with the offsets that another cluster has. Raises: as `decode_recorded`."""
    found = decode_recorded(value)
    rows = [
        (key, move(found.topic, found.partition, offset, None)[0], *rest)
        for key, offset, *rest in found.rows
    ]
    return _encode(Recorded(found.rule, found.topic, found.partition, rows))


def recorded_key(key: Any, *, whole_event: bool) -> str:
    """A key as it is recorded."""
    return "" if whole_event else _canonical(key).decode()


class Recorder:
    """Gathers what is to be recorded; remembers what was, within a bound."""

    def __init__(self) -> None:
        self._told: OrderedDict[tuple[_Place, str], bytes] = OrderedDict()
        self._rows: dict[_Place, list[Row]] = {}

    def note(
        self, place: _Place, keys: Iterable[str], offsets: Sequence[int], answers: Sequence[Found]
    ) -> list[Found]:
        """What a rule has found for some events of a partition, in order.

        Returns: The answers; one whose row is too long to be recorded has become an error.
        """
        told = self._told
        taken: list[Found] = []
        for key, offset, given in zip(keys, offsets, answers, strict=True):
            found, written = given, _encode(given)
            if len(written) > ENRICHMENT_ROW_BYTES_MAX:
                reason = f"its row has {len(written)} bytes"
                found = Found("error", reason=reason, at_ms=given.at_ms)
                written = _encode(found)
            taken.append(found)
            digest = blake2b(written, digest_size=8).digest()
            name = (place, key)
            if told.get(name) != digest:
                told[name] = digest
                row = (key, offset, found.status, found.row, found.reason, found.at_ms)
                self._rows.setdefault(place, []).append(row)
            told.move_to_end(name)
        while len(told) > ENRICHMENT_RECORDED_MAX:
            told.popitem(last=False)
        return taken

    def take(self) -> list[bytes]:
        """The values of the records since the last call."""
        values: list[bytes] = []
        for (rule, topic, partition), rows in self._rows.items():
            some: list[Row] = []
            size = 0
            for row in rows:
                some.append(row)
                size += len(_encode(row))
                if size >= RECORD_BYTES_MAX:
                    values.append(_encode(Recorded(rule, topic, partition, some)))
                    some, size = [], 0
            if some:
                values.append(_encode(Recorded(rule, topic, partition, some)))
        self._rows = {}
        return values

    def forget(self) -> None:
        """What was noted may not be in the log: all of it is to be told again."""
        self._told.clear()
        self._rows.clear()


class Recordings:
    """What was recorded, to be asked."""

    def __init__(self) -> None:
        self._rows: dict[tuple[_Place, str], list[tuple[int, Found]]] = {}

    def take(self, value: bytes) -> None:
        """The next record of the log. Raises: Corrupt("journal.enrichment")."""
        found = decode_recorded(value)
        place = (found.rule, found.topic, found.partition)
        for key, offset, *rest in found.rows:
            rows = self._rows.setdefault((place, key), [])
            # A worker that goes on where another has left off may tell the same again.
            while rows and rows[-1][0] >= offset:
                rows.pop()
            rows.append((offset, Found(*rest)))

    def find(self, place: _Place, keys: Iterable[str], offsets: Sequence[int]) -> list[Found]:
        """What a rule had for some events of a partition; `UNKNOWN` where nothing is recorded."""
        answers = []
        for key, offset in zip(keys, offsets, strict=True):
            rows = self._rows.get((place, key), [])
            at = bisect_right(rows, offset, key=lambda row: row[0])
            answers.append(rows[at - 1][1] if at else UNKNOWN)
        return answers
