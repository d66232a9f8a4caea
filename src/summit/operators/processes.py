"""`Process`: one's own operator with state and timers by key."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, Generic, TypeVar

import msgspec

from summit.base.errors import Invalid
from summit.operators.batch import END_OF_TIME_MS, NO_TIME_MS, Batch, Gathered
from summit.operators.operator import Keeper, StateId
from summit.operators.timers import Timers

K = TypeVar("K")
V = TypeVar("V")
R = TypeVar("R")

_TIMER: Final = 0
_EXPIRY: Final = 1
_encode = msgspec.msgpack.Encoder().encode


class Kept(msgspec.Struct, array_like=True):
    """What is kept of one key: its state, its timers, and when it is forgotten."""

    state: dict[str, Any] = msgspec.field(default_factory=dict)
    timers: list[int] = msgspec.field(default_factory=list)
    expires_ms: int | None = None


_decode = msgspec.msgpack.Decoder(Kept).decode


class Context(Generic[K, R]):
    """What a `Process` may ask and do about the key in hand.

    Attributes:
        key: The key.
        time_ms: Event time of the record, or what the timer was set to.
        clock_ms: How far event time has come: everything before has been seen.
        is_late: Whether the record lies before the watermark of its input.
    """

    def __init__(self, out: Gathered) -> None:
        self.key: K
        self.time_ms = 0
        self.clock_ms = 0
        self.is_late = False
        self._out = out
        self._kept = Kept()
        self._new_timers: list[int] = []
        self._after_ms: int | None = None

    @property
    def state(self) -> dict[str, Any]:
        """What is kept of the key, by names of one's own; plain values. Change it in place."""
        return self._kept.state

    @property
    def timers(self) -> list[int]:
        """The times for which timers of this key are set."""
        return list(self._kept.timers)

    def timer(self, at_ms: int) -> None:
        """Have `on_timer` called when event time comes to `at_ms`, before later records.

        Setting one twice is setting it once. One that is due already fires before the next record;
        a timer that is set while another fires must be after that.

        Raises: Invalid("streams.timer").
        """
        if type(at_ms) is not int or not -END_OF_TIME_MS < at_ms < END_OF_TIME_MS:
            raise Invalid("streams.timer", reason=f"{at_ms!r} is no time in milliseconds")
        if self._after_ms is not None and at_ms <= self._after_ms:
            reason = f"{at_ms} is not after {self._after_ms}, which is being handled"
            raise Invalid("streams.timer", reason=reason)
        if at_ms not in self._kept.timers:
            self._kept.timers.append(at_ms)
            self._new_timers.append(at_ms)

    def cancel_timer(self, at_ms: int) -> None:
        """Unset a timer; nothing happens where there is none."""
        if at_ms in self._kept.timers:
            self._kept.timers.remove(at_ms)

    def emit(self, value: R, *, time_ms: int | None = None) -> None:
        """Send a value on, under the key in hand.

        Args:
            time_ms: Its event time; None = that of the record or timer in hand.
        """
        at = self.time_ms if time_ms is None else time_ms
        self._out.add(self.key, value, at, self.clock_ms)


class Process(Generic[K, V, R]):
    """Base of one's own operators; one instance for each task. Keep nothing in `self`: only
    `ctx.state` survives."""

    def process(self, ctx: Context[K, R], value: V) -> None:
        """One record."""
        raise NotImplementedError

    def on_timer(self, ctx: Context[K, R], at_ms: int) -> None:
        """Event time has come to a timer of the key."""


class ProcessKeeper(Keeper):
    """Runs a `Process`.

    Args:
        make: Makes the user's instance.
        ttl_ms: A key's state and timers are forgotten so long after its last record or timer, in
            event time; None = never.
    """

    kind = "process"

    def __init__(self, make: Callable[[], Process[Any, Any, Any]], ttl_ms: int | None) -> None:
        super().__init__()
        self._process = make()
        self._ttl_ms = ttl_ms
        self._kept: dict[Any, Kept] = {}
        self._timers = Timers()
        self._expiring: dict[Any, int] = {}  # when a key's expiry is looked at
        self._clock_ms = NO_TIME_MS
        self._out = Gathered()
        self._context: Context[Any, Any] = Context(self._out)

    def take(self, batch: Batch, port: int) -> Batch:
        """See `Keeper`."""
        del port
        context, process = self._context, self._process.process
        for key, value, at, clock, late in batch.rows():
            if self.due_ms <= clock:
                self._fire(clock)
            self._clock_ms = clock
            kept = self._begin(key, at, clock, late)
            process(context, value)
            self._end(key, kept, max(at, clock))
        return self._out.batch()

    def advance(self, clock_ms: int) -> Batch:
        """See `Keeper`."""
        self._fire(clock_ms)
        return self._out.batch()

    def _fire(self, clock_ms: int) -> None:
        while self.due_ms <= clock_ms:
            at, key, what = self._timers.pop()
            self.due_ms = self._timers.due_ms
            kept = self._kept.get(key)
            if what == _EXPIRY:
                self._expire(key, kept, at)
            elif kept is not None and at in kept.timers:
                kept.timers.remove(at)
                # One that was set when it was due already belongs to the time of its setting.
                clock = max(self._clock_ms, at - 1)
                self._begin(key, max(at, clock), clock, late=False)
                self._context._after_ms = at  # noqa: SLF001
                try:
                    self._process.on_timer(self._context, at)
                finally:
                    self._context._after_ms = None  # noqa: SLF001
                self._end(key, kept, at)

    def _expire(self, key: Any, kept: Kept | None, at_ms: int) -> None:
        if self._expiring.get(key) != at_ms:
            return  # of an earlier life of the key
        del self._expiring[key]
        if kept is None or kept.expires_ms is None:
            return
        if kept.expires_ms > at_ms:
            self._set_expiry(key, kept.expires_ms)
            return
        del self._kept[key]
        self.dirty.add((key,))

    def _set_expiry(self, key: Any, at_ms: int) -> None:
        self._expiring[key] = at_ms
        self._timers.set(at_ms, key, _EXPIRY)
        self.due_ms = self._timers.due_ms

    def _begin(self, key: Any, at_ms: int, clock_ms: int, late: bool) -> Kept:
        kept = self._kept.get(key)
        if kept is None:
            kept = Kept()
        context = self._context
        context.key, context.time_ms, context.clock_ms = key, at_ms, clock_ms
        context.is_late = late
        context._kept = kept  # noqa: SLF001
        return kept

    def _end(self, key: Any, kept: Kept, at_ms: int) -> None:
        new, self._context._new_timers = self._context._new_timers, []  # noqa: SLF001
        for at in new:
            self._timers.set(at, key, _TIMER)
        was_kept = key in self._kept
        if not kept.state and not kept.timers:
            if was_kept:
                del self._kept[key]
                self.dirty.add((key,))
        else:
            self._kept[key] = kept
            self.dirty.add((key,))
            if self._ttl_ms is not None:
                kept.expires_ms = max(at_ms + self._ttl_ms, kept.expires_ms or 0)
                if key not in self._expiring:
                    self._set_expiry(key, kept.expires_ms)
        self.due_ms = self._timers.due_ms

    def dump(self, state_id: StateId) -> bytes | None:
        """See `Keeper`."""
        kept = self._kept.get(state_id[0])
        return None if kept is None else _encode(kept)

    def load(self, state_id: StateId, data: bytes) -> None:
        """See `Keeper`."""
        (key,) = state_id
        kept = self._kept[key] = _decode(data)
        for at in kept.timers:
            self._timers.set(at, key, _TIMER)
        if kept.expires_ms is not None:
            self._set_expiry(key, kept.expires_ms)
        self.due_ms = self._timers.due_ms

    def count(self) -> int:
        """See `Keeper`."""
        return len(self._kept)
