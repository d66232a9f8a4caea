"""`_summit.state`: the changelog of keyed state. Pure.

Several key groups share a partition: a transaction costs the broker half a millisecond for each
partition that it touches, and a busy worker touches them all.

Compacted, so that it holds the last word about each key; a record without value = no state.

    key ["run", state id, key as a list]    value: one byte, the state's version; then the state
    key ["stands", rule id, key as a list]  value: alerts that stand for others (`suppress`)
    key ["time", topic, partition]          value: how far event time has come in that input
                                            partition, milliseconds, as text
    key ["acts", group]                     value: by which definitions the state of the key group
                                            was made, and for which it is ready; offsets, as text
    key ["wait", group, topic, partition, offset]
                                            value: an event that waits for its time, and the rules
                                            that it waits for (`keyed/waiting.py`)

State ids say what a rule means, so the state of a rule that means something else now is not taken
up by it. What a key's state is, only its engine knows.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable
from typing import Any, Final, NamedTuple

import msgspec

from summit.base.collecting import collection_paused
from summit.base.errors import Corrupt
from summit.cep.group_state import move_groups
from summit.cep.late_state import LATE_STATE_ID_END, LATE_STATE_VERSION, move_late
from summit.cep.linked_state import move_linked
from summit.cep.state import move_key
from summit.cep.window_state import WINDOW_STATE_ID_END, move_windows
from summit.client.types import ConsumerRecord
from summit.documents.correlation import LINKED_STATE_ID_END
from summit.keyed.captured import Move
from summit.keyed.keygroups import KEY_GROUPS, key_group
from summit.keyed.keys import Key, key_values, whole_key
from summit.keyed.outputs import StateKey
from summit.keyed.waiting import WaitKey, moved_wait

_MoveState = Callable[[bytes, int, Move], bytes]
_RUN: Final = b'["run"'
_WAIT: Final = b'["wait"'
_ACTS: Final = b'["acts"'
STATE_PARTITIONS: Final = 8
Record = tuple[bytes, bytes | None]

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode


class KeyState(msgspec.Struct, frozen=True, gc=False):
    """The state of one key."""

    version: int
    data: bytes


class Acts(NamedTuple):
    """By which definitions a key group's state was made.

    Attributes:
        acting: Offset of the definitions below which everything acted.
        ready: The same of newer ones, where the key group has seen everything that goes by older.
    """

    acting: int
    ready: int


def state_partition(group: int) -> int:
    """Where the state of a key group stands."""
    return group % STATE_PARTITIONS


def state_record(key: StateKey, version: int, data: bytes | None) -> Record:
    """What says that this is a key's state now; None = it has none."""
    name = _encode(("run", key.rule, key_values(key.key)))
    return name, None if data is None else bytes((version,)) + data


def time_record(topic: str, partition: int, time_ms: int) -> Record:
    """What says how far time has come in an input partition."""
    return _encode(("time", topic, partition)), str(time_ms).encode()


def acts_record(group: int, acts: Acts) -> Record:
    """What says by which definitions the state of a key group was made."""
    return _encode(("acts", group)), f"{acts.acting} {acts.ready}".encode()


def is_acts(name: bytes) -> bool:
    """Whether a record with this key says by which definitions state was made."""
    return name.startswith(_ACTS)


def run_key(name: bytes) -> StateKey | None:
    """Whose state a record with this key is; None when it is none of a rule's key.

    Raises: Corrupt("journal.state") for a name that nobody of ours wrote.
    """
    if not name.startswith(_RUN):
        return None
    try:
        _, rule, values = _decode(name)
        key = _key_of(values)
    except (msgspec.MsgspecError, ValueError, TypeError) as error:
        raise Corrupt("journal.state", reason=f"{_shown(name)}: {error}") from error
    return StateKey(rule, key)


def state_owner(name: bytes) -> tuple[str, str]:
    """What a record with this key holds, and whose: a rule's state, or an input's, in words."""
    try:
        kind, whose, *_ = _decode(name)
    except (msgspec.MsgspecError, ValueError, TypeError):
        return "that of", _shown(name)
    if kind in ("run", "stands"):
        return "that of rule", str(whose).partition("/")[0]
    return f"'{kind}' of", str(whose)


def standing_record(rule: str, key: Key, data: bytes | None) -> Record:
    """What stands for alerts of a rule's key; None = nothing."""
    return _encode(("stands", rule, key_values(key))), data


def _key_of(values: list[Any]) -> Key:
    """The key whose values these are; a list or a map never is one."""
    if any(type(value) in (list, dict) for value in values):
        raise ValueError(f"{values} is no key")
    return whole_key(values)


def wait_record(name: WaitKey, data: bytes | None) -> Record:
    """What says that an event waits; without data that it waits no more."""
    return _encode(("wait", *name)), data


def moved_state(
    name: bytes, value: bytes | None, move: Move, log_of_definitions: tuple[str, int]
) -> Record:
    """A record whose events stand at other places in another cluster.

    Args:
        log_of_definitions: Topic and partition of the definitions.
    Raises: Corrupt("pattern.state" or "journal.state").
    """
    if name.startswith(_WAIT):
        wait = _wait_key(name)
        if value is not None:
            return wait_record(*moved_wait(wait, value, move))
        offset, _ = move(wait.topic, wait.partition, wait.offset, None)
        return wait_record(wait._replace(offset=offset), None)
    if value is not None and name.startswith(_ACTS):
        offsets = [move(*log_of_definitions, int(at), None)[0] for at in value.split()]
        return name, b"%d %d" % tuple(offsets)
    if value is None or not name.startswith(_RUN):
        return name, value
    rule = _decode(name)[1]
    if rule.startswith("query:"):  # numbers of windows, no events
        return name, value
    moved: _MoveState = move_key
    if rule.startswith("correlation:"):
        moved = move_linked if rule.endswith(LINKED_STATE_ID_END) else move_groups
    elif rule.removesuffix(LATE_STATE_ID_END).endswith(WINDOW_STATE_ID_END):
        moved = move_windows
    if value[0] == LATE_STATE_VERSION:
        return name, value[:1] + move_late(value[1:], move, moved)
    return name, value[:1] + moved(value[1:], value[0], move)


def _wait_key(name: bytes) -> WaitKey:
    try:
        return WaitKey(*msgspec.json.decode(name, type=_WaitName)[1:])
    except msgspec.MsgspecError as error:
        raise Corrupt("journal.state", reason=f"{_shown(name)}: {error}") from error


_WaitName = tuple[str, int, str, int, int]


class Content(NamedTuple):
    """What is kept of some key groups, and how far time has come in the inputs they carry.

    Attributes:
        acts: By which definitions it was made, where that is known.
    """

    states: dict[StateKey, KeyState]
    times: dict[tuple[str, int], int]
    waits: dict[WaitKey, bytes]
    standing: dict[StateKey, bytes]
    acts: dict[int, Acts]


class Restored:
    """The state of some key groups, as their records come; that of others is passed over."""

    def __init__(self) -> None:
        self._last: dict[bytes, bytes] = {}
        self.records = 0
        self.bytes = 0

    def take(self, records: Iterable[ConsumerRecord]) -> None:
        """The next records; order matters within a partition only."""
        for record in records:
            self.records += 1
            self.bytes += len(record.key or b"") + len(record.value or b"")
            if record.value is None:
                self._last.pop(record.key or b"", None)
            else:
                self._last[record.key or b""] = record.value

    @collection_paused()
    def content(self, groups: Container[int]) -> Content:
        """What is kept of these key groups.

        Raises: Corrupt("journal.state") for a record that is none of ours.
        """
        copy = Copy()
        for name, value in self._last.items():
            copy.put(name, value)
        return copy.content(groups)


class _Kept(NamedTuple):
    """What is kept of one key group."""

    states: dict[StateKey, KeyState]
    waits: dict[WaitKey, bytes]
    standing: dict[StateKey, bytes]
    acts: dict[int, Acts]


class Copy:
    """What is kept of all key groups, up to date with the records taken.

    Costs more than `Restored` for each record, and next to nothing once it is asked for.
    """

    def __init__(self) -> None:
        self._groups = [_Kept({}, {}, {}, {}) for _ in range(KEY_GROUPS)]
        self._times: dict[tuple[str, int], int] = {}
        self._rules: dict[str, str] = {}  # a million keys share a few names

    def take(self, records: Iterable[ConsumerRecord]) -> None:
        """The next records; order matters within a partition only.

        Raises: as `put`.
        """
        for record in records:
            self.put(record.key or b"", record.value)

    def put(self, name: bytes, value: bytes | None) -> None:
        """One record. Raises: Corrupt("journal.state") for one that is none of ours."""
        if name.startswith(_WAIT):
            wait = _wait_key(name)
            _set(self._groups[wait.group].waits, wait, value)
            return
        try:
            kind, first, *more = _decode(name)
            if kind in ("run", "stands"):
                values = more[0]
                one = values[0] if len(values) == 1 else None
                key = one if type(one) is str else _key_of(values)
                name_of = StateKey(self._rules.setdefault(first, first), key)
                kept = self._groups[key_group(key)]
                if kind == "stands":
                    _set(kept.standing, name_of, value)
                else:
                    state = None if value is None else KeyState(value[0], value[1:])
                    _set(kept.states, name_of, state)
            elif kind == "time":
                _set(self._times, (first, more[0]), None if value is None else int(value))
            elif kind == "acts":
                acts = None if value is None else Acts(*map(int, value.split()))
                _set(self._groups[first].acts, first, acts)
            else:
                raise ValueError(f"kind {kind}")
        except (msgspec.MsgspecError, ValueError, TypeError, IndexError) as error:
            raise Corrupt("journal.state", reason=f"{_shown(name)}: {error}") from error

    @property
    def keys(self) -> int:
        """How many keys have state, each counted for every rule."""
        return sum(len(kept.states) for kept in self._groups)

    def forget(self, partition: int) -> None:
        """Keep nothing of the key groups whose state stands in a partition."""
        for group in range(KEY_GROUPS):
            if state_partition(group) == partition:
                self._groups[group] = _Kept({}, {}, {}, {})

    @collection_paused()
    def content(self, groups: Container[int]) -> Content:
        """What is kept of these key groups."""
        found = Content({}, dict(self._times), {}, {}, {})
        for group, kept in enumerate(self._groups):
            if group in groups:
                found.states.update(kept.states)
                found.waits.update(kept.waits)
                found.standing.update(kept.standing)
                found.acts.update(kept.acts)
        return found


def _set(found: dict[Any, Any], name: Any, value: Any) -> None:
    if value is None:
        found.pop(name, None)
    else:
        found[name] = value


def _shown(name: bytes) -> Any:
    return name[:200].decode(errors="replace")
