"""A task: one part of the graph, for one slot, with its own state and its own event time. Pure.

    apply  `take` for records of topics, `take_sent` for those of other tasks, `tell` for time alone
    dump   `changes`: what is kept now of what has changed
    load   `restore`

Event time: W of an input partition is the largest time it has shown, less its delay; what other
tasks send has their clocks. The task's clock is the least of these over its inputs, idle ones left
out, and never goes back. When all are idle nothing is to be waited for: then it is the largest.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import accumulate
from typing import Any, Final, NamedTuple

import msgspec

from summit.base.errors import Corrupt, Internal, Invalid, SummitError, Unavailable
from summit.operators.batch import END_OF_TIME_MS, NO_TIME_MS, Batch
from summit.operators.formats import pack_id, unpack_id
from summit.operators.graph import Late, Node, Part, Repartition, Sink, Source, Step
from summit.operators.operator import Keeper, Operator

STATE_VERSION: Final = 1

Input = tuple[str, int]  # entry's name and partition, or the slot of the sender


class Output(NamedTuple):
    """Records that leave a task, for a topic or for the tasks of their keys."""

    node: Sink | Repartition
    batch: Batch


class _Times(msgspec.Struct, array_like=True):
    """What is kept of event time: the clock, and W with idleness by input."""

    clock: int
    inputs: list[tuple[str, int, int, bool]]


_TIMES = msgspec.msgpack.Decoder(_Times)


class Task:
    """See the module.

    Attributes:
        clock_ms: How far event time has come here.
        outputs: What has come out and was not fetched.
    """

    def __init__(self, part: Part, slot: int) -> None:
        self.part = part
        self.slot = slot
        self.clock_ms = NO_TIME_MS
        self.outputs: list[Output] = []
        self._largest: dict[Input, int] = {}
        self._idle: set[Input] = set()
        self._sources = {entry.name: entry for entry in part.entries if isinstance(entry, Source)}
        self._nodes: dict[str, Node] = {node.name: node for node in (*part.entries, *part.nodes)}
        self._operators: dict[str, Operator | Keeper] = {}
        self._keepers: dict[str, Keeper] = {}
        self._next: dict[str, list[tuple[Node, int]]] = {}
        self._lates: dict[str, Node] = {}
        self._time_moved = False
        for node in part.nodes:
            for port, source in enumerate(node.inputs):
                if isinstance(node, Late):
                    self._lates[source.name] = node
                else:
                    self._next.setdefault(source.name, []).append((node, port))
            if isinstance(node, Step):
                operator = self._operators[node.name] = node.make()
                if isinstance(operator, Keeper):
                    self._keepers[node.name] = operator

    # ---- inputs and time ----

    def open(self, name: str, number: int) -> None:
        """An input is read from now on; until it shows a time or is idle, time waits for it."""
        source = self._sources.get(name)
        if source is None or not source.is_table:
            self._largest.setdefault((name, number), NO_TIME_MS)

    def rest(self, name: str, number: int) -> None:
        """An input is silent: it holds nothing back until its next record."""
        if (name, number) in self._largest and (name, number) not in self._idle:
            self._idle.add((name, number))
            self._time_moved = True
            self.advance()

    @property
    def is_idle(self) -> bool:
        """Whether all inputs are silent."""
        return len(self._idle) == len(self._largest)

    def _least_of_others(self, one: Input) -> int:
        times = [
            at for place, at in self._largest.items() if place != one and place not in self._idle
        ]
        return min(times, default=END_OF_TIME_MS)

    def _reached(self) -> int:
        active = [at for place, at in self._largest.items() if place not in self._idle]
        if active:
            return max(self.clock_ms, min(active))
        return max(self.clock_ms, max(self._largest.values(), default=NO_TIME_MS))

    # ---- records ----

    def take(
        self, name: str, partition: int, keys: list[Any], values: list[Any], times: list[int]
    ) -> None:
        """Records of one partition of a topic, in order; what they lead to is in `outputs`.

        Raises: Internal("streams.operator_failed").
        """
        source = self._sources[name]
        if source.is_table:
            clocks = [self.clock_ms] * len(keys)
            # A change of a table has no place in event time: it acts from now on, never late.
            self._hand_on(source, Batch(keys, values, clocks, clocks))
            return
        place = (name, partition)
        self._wake(place)
        delay = source.delay_ms
        largest = list(accumulate(times, max, initial=self._largest[place] + delay))
        lates = None
        if largest[1:] != times:
            lates = [at < before - delay for at, before in zip(times, largest, strict=False)]
        reached = [at - delay for at in largest[1:]] if delay else largest[1:]
        batch = Batch(keys, values, times, reached, lates if lates and any(lates) else None)
        self._take_timed(source, place, batch)

    def take_sent(self, name: str, sender: int, batch: Batch) -> None:
        """Records that another task has sent, with its clocks.

        Raises: as `take`.
        """
        place = (name, sender)
        self._wake(place)
        self._take_timed(self._nodes[name], place, batch)

    def tell(self, name: str, sender: int, clock_ms: int, *, is_idle: bool) -> None:
        """Another task has come so far; everything before was taken.

        Raises: as `take`.
        """
        place = (name, sender)
        before = self._largest.get(place, NO_TIME_MS)
        if clock_ms > before or is_idle != (place in self._idle):
            self._largest[place] = max(before, clock_ms)
            (self._idle.add if is_idle else self._idle.discard)(place)
            self._time_moved = True
            self.advance()

    def _wake(self, place: Input) -> None:
        self._largest.setdefault(place, NO_TIME_MS)
        self._idle.discard(place)

    def _take_timed(self, entry: Node, place: Input, batch: Batch) -> None:
        """Records whose clocks are those of their own input; here they get the task's."""
        if not len(batch):
            return
        at = batch.clocks
        self._largest[place] = max(self._largest[place], at[-1])
        self._time_moved = True
        least, floor = self._least_of_others(place), self.clock_ms
        if at[-1] > least or at[0] < floor:
            at = [max(floor, min(one, least)) for one in at]
            batch = Batch(batch.keys, batch.values, batch.times, at, batch.lates)
        for one in batch.one_by_one() if self.part.one_by_one else (batch,):
            if self.part.one_by_one:
                self._fire(one.clocks[0])
            self._hand_on(entry, one)
        self.advance()

    def advance(self) -> None:
        """Let the clock come as far as the inputs allow, and fire what is due.

        Raises: as `take`.
        """
        self._fire(self._reached())

    def _fire(self, clock_ms: int) -> None:
        self.clock_ms = clock_ms
        for name, keeper in self._keepers.items():
            if keeper.due_ms <= clock_ms:
                node = self._nodes[name]
                try:
                    batch = keeper.advance(clock_ms)
                except Exception as error:
                    raise _failed(node, error) from error
                self._hand_on(node, batch)

    def _hand_on(self, node: Node, batch: Batch) -> None:
        keeper = self._keepers.get(node.name)
        if keeper is not None and len(keeper.lates):
            aside = keeper.lates.batch()
            if node.name in self._lates:
                self._hand_on(self._lates[node.name], aside)
        if not len(batch):
            return
        for target, port in self._next.get(node.name, ()):
            if isinstance(target, Sink):
                self.outputs.append(Output(target, batch))
                continue
            try:
                if isinstance(target, Repartition):
                    self.outputs.append(Output(target, target.rekey(batch)))
                    continue
                out = self._operators[target.name].take(batch, port)
            except Exception as error:
                raise _failed(target, error) from error
            self._hand_on(target, out)

    def fetch(self) -> list[Output]:
        """What has come out since the last time, in order."""
        found, self.outputs = self.outputs, []
        return found

    # ---- state ----

    def changes(self) -> Iterator[tuple[bytes, bytes | None]]:
        """Names and contents of all that has changed since the last time; None = gone."""
        version = bytes((STATE_VERSION,))
        for name, keeper in self._keepers.items():
            head = pack_id("state", name, keeper.kind, ())[:-1]  # the id itself goes there
            dump = keeper.dump
            try:
                for state_id in keeper.dirty:
                    data = dump(state_id)
                    yield head + pack_id(*state_id), None if data is None else version + data
            except (TypeError, ValueError) as error:  # a value that cannot be packed
                raise _failed(self._nodes[name], error) from error
            keeper.dirty.clear()
        if self._time_moved:
            self._time_moved = False
            rows = [(name, n, at, (name, n) in self._idle)
                    for (name, n), at in self._largest.items()]  # fmt: skip
            times = msgspec.msgpack.encode(_Times(self.clock_ms, rows))
            yield pack_id("time", self.part.name), bytes((STATE_VERSION,)) + times

    def restore(self, states: Iterable[tuple[bytes, bytes]]) -> None:
        """Take up what another task of this part and slot has left; before any record.

        Raises: Corrupt("streams.state").
        """
        for name, data in states:
            try:
                kind, *rest = unpack_id(name)
                if data[0] != STATE_VERSION:
                    raise ValueError(f"version {data[0]} is not {STATE_VERSION}")
                if kind == "time":
                    self._restore_times(_TIMES.decode(data[1:]))
                    continue
                node, what, state_id = rest
                keeper = self._keepers[node]
                if keeper.kind != what:
                    raise ValueError(f"it is the state of a {what}, not of a {keeper.kind}")
                keeper.load(state_id, data[1:])
            except (ValueError, TypeError, LookupError, msgspec.MsgspecError) as error:
                reason = f"{name[:200]!r}: {error}"
                raise Corrupt("streams.state", reason=reason) from error

    def _restore_times(self, times: _Times) -> None:
        self.clock_ms = max(self.clock_ms, times.clock)
        for name, number, at, idle in times.inputs:
            self._largest[name, number] = at
            if idle:
                self._idle.add((name, number))

    # ---- figures ----

    def counts(self) -> dict[str, tuple[int, int]]:
        """By operator that keeps state: how many things, and how many records were late."""
        return {name: (keeper.count(), keeper.late_count) for name, keeper in self._keepers.items()}


def owner_of(name: bytes) -> str:
    """The node, or the part, that a name of something kept belongs to.

    Raises: Corrupt("streams.state").
    """
    try:
        return str(unpack_id(name)[1])
    except (msgspec.MsgspecError, LookupError, TypeError) as error:
        raise Corrupt("streams.state", reason=f"{name[:200]!r}: {error}") from error


def _failed(node: Node, error: Exception) -> SummitError:
    if isinstance(error, Invalid | Internal | Unavailable):
        return error
    reason = f"{type(error).__name__}: {error}"
    return Internal("streams.operator_failed", operator=node.name, reason=reason)
