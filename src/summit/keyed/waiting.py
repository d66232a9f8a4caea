"""Events that wait for the frontier, in event-time order; and how they are saved.

A waiting event is saved once for each key group that it concerns, under its place. The saved form
(version 2, MessagePack behind the version's byte) is the record itself and the rules that it waits
for, so that whoever takes over the key group goes on as if it had read the record:

    [record time, value, record key, [[header, value], ...], [state id, ...], {state id: due}]

The last member is there only for an event that was late when it came: until when the rules wait for
it, where that is not its own time. Version 1 had no such member. What would hardly fit a record is
compressed (`base/packing.py`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NamedTuple

import msgspec

from summit.base.errors import Corrupt
from summit.base.packing import pack, unpack
from summit.keyed.captured import Move, Origin, transport_of
from summit.keyed.chunks import SOURCE_HEADER, source_of
from summit.keyed.keygroups import key_group
from summit.keyed.keys import Key
from summit.keyed.lane import Lane

WAIT_VERSION: Final = 2
_VERSIONS_READ: Final = (b"\x01", b"\x02")


class WaitKey(NamedTuple):
    """Names what is saved of a waiting event for one key group."""

    group: int
    topic: str
    partition: int
    offset: int


class WaitingEvent(msgspec.Struct, gc=False):
    """A record that waits.

    Attributes:
        event: What the layout of the active rules decoded of it.
        is_logged: Whether the `WaitLog` knows of it by its name.
    """

    origin: Origin
    offset: int
    own_ms: int
    stamp_ms: int
    value: bytes
    key: bytes | None
    headers: Any
    event: Any
    is_logged: bool = False

    def __lt__(self, other: WaitingEvent) -> bool:
        """In no order: a worker that was taken for dead may be sent what it reads itself."""
        return False


class Interest(NamedTuple):
    """One rule that waits for an event; the first four members are the order of release.

    Attributes:
        due_ms: It is taken when the frontier has passed this: the event's own time; of one that was
            late when it came, for keys that catch up, how far time was then.
    """

    due_ms: int
    place: tuple[str, int]
    offset: int
    rule_id: str
    lane: Lane
    key: Key
    mask: int
    waiting: WaitingEvent
    group: int

    def behind(self, reached_ms: float) -> Interest:
        """The same for an event that was late when time had come so far: it comes after that."""
        return self if reached_ms <= self.due_ms else self._replace(due_ms=int(reached_ms) - 1)


def interest(waiting: WaitingEvent, lane: Lane, key: Key, mask: int, group: int) -> Interest:
    """What a rule waits for an event with."""
    place = (waiting.origin.topic, waiting.origin.partition)
    return Interest(
        waiting.own_ms, place, waiting.offset, lane.rule.id, lane, key, mask, waiting, group
    )


def decode_again(
    waiting: WaitingEvent, decode: Callable[[bytes], Any], *, needs_record: bool
) -> Any:
    """What the layout of other rules decodes of an event that waits.

    Args:
        needs_record: Whether they read the record around it.
    """
    event = decode(waiting.value)
    if needs_record:
        origin = waiting.origin
        event.t = transport_of(
            origin.topic, origin.partition, waiting.offset, waiting.key, waiting.stamp_ms,
            waiting.headers,
        )  # fmt: skip
    return event


class SavedWait(NamedTuple):
    """What `dump` made, read again."""

    stamp_ms: int
    value: bytes
    key: bytes | None
    headers: list[tuple[str, bytes | None]]
    state_ids: frozenset[str]
    due_ms: dict[str, int]


class WaitLog:
    """Which waiting events must be saved, and how; only for who asks for it (`is_on`).

    Most that come in a batch are taken in the same one: those are never entered.

    Attributes:
        note: Takes note of a rule that waits for an event; as `add`, with `take_changed`.
    """

    def __init__(self) -> None:
        self.is_on = False
        self._noted: list[Interest] = []
        self.note = self._noted.append  # the list stays the same one
        self._taken: set[int] = set()  # of those that are noted, by identity
        self._events: dict[WaitKey, list[Interest]] = {}
        self._changed: set[WaitKey] = set()

    def group_of(self, key: Key) -> int:
        """The key group of a key; without saving there is one for all."""
        return key_group(key) if self.is_on else 0

    def add(self, item: Interest, *, changed: bool = True) -> None:
        """A rule waits for an event."""
        if not self.is_on:
            return
        name = WaitKey(item.group, *item.place, item.offset)
        self._events.setdefault(name, []).append(item)
        item.waiting.is_logged = True
        if changed:
            self._changed.add(name)

    def remove(self, item: Interest, *, changed: bool = True) -> None:
        """A rule waits no more."""
        if not self.is_on:
            return
        if not item.waiting.is_logged:
            self._taken.add(id(item))
            return
        name = WaitKey(item.group, *item.place, item.offset)
        items = self._events[name]
        items.remove(item)
        if not items:
            del self._events[name]
        if changed:
            self._changed.add(name)
        else:
            self._changed.discard(name)

    def take_changed(self) -> set[WaitKey]:
        """What must be saved anew since the last call."""
        for item in self._noted:
            if id(item) not in self._taken:
                self.add(item)
        self._noted.clear()
        self._taken.clear()
        changed, self._changed = self._changed, set()
        return changed

    def dump(self, name: WaitKey) -> bytes | None:
        """What is to be saved under a name; None = nothing any more."""
        items = self._events.get(name)
        if items is None:
            return None
        event = items[0].waiting
        headers = [list(pair) for pair in getattr(event.headers, "pairs", event.headers or ())]
        state_ids = [item.lane.rule.state_id for item in items]
        due_ms = {
            state_id: item.due_ms
            for state_id, item in zip(state_ids, items, strict=True)
            if item.due_ms != event.own_ms
        }
        return _packed((event.stamp_ms, event.value, event.key, headers, state_ids), due_ms)


class _Row(msgspec.Struct, array_like=True, gc=False):
    stamp_ms: int
    value: bytes
    key: bytes | None
    headers: list[tuple[str, bytes | None]]
    state_ids: frozenset[str]
    due_ms: dict[str, int] = {}


_encode = msgspec.msgpack.Encoder().encode
_decoder: Final = msgspec.msgpack.Decoder(_Row)


def _packed(row: tuple[Any, ...], due_ms: dict[str, int]) -> bytes:
    return pack(bytes((WAIT_VERSION,)) + _encode((*row, due_ms) if due_ms else row))


def load_wait(data: bytes) -> SavedWait:
    """What `WaitLog.dump` made. Raises: Corrupt("pattern.state")."""
    try:
        data = unpack(data)
    except ValueError as error:
        raise Corrupt("pattern.state", reason=f"waiting event: {error}") from error
    if data[:1] not in _VERSIONS_READ:
        reason = f"waiting event of version {data[:1].hex() or 'none'}, not {WAIT_VERSION}"
        raise Corrupt("pattern.state", reason=reason)
    try:
        return SavedWait(*msgspec.structs.astuple(_decoder.decode(data[1:])))
    except msgspec.MsgspecError as error:
        raise Corrupt("pattern.state", reason=f"waiting event: {error}") from error


def moved_wait(name: WaitKey, data: bytes, move: Move) -> tuple[WaitKey, bytes]:
    """The same event at the place where another cluster has it. Raises: as `load_wait`."""
    saved = load_wait(data)
    known = source_of(saved.headers)
    offset, source = move(name.topic, name.partition, name.offset, known)
    headers = list(saved.headers)
    if known is None and source is not None:
        headers.append((SOURCE_HEADER, source.encode()))
    row = (saved.stamp_ms, saved.value, saved.key, headers, sorted(saved.state_ids))
    return name._replace(offset=offset), _packed(row, saved.due_ms)
