"""The living half of a rule, of whatever kind: its keys, their state, their timers.

Engines write lanes; the processor brings them events of their keys, in order, and time.
"""

from __future__ import annotations

from collections.abc import Container, Sequence
from typing import Any, Protocol, runtime_checkable

from summit.events.layouts import TypedLayout
from summit.keyed.captured import Captured
from summit.keyed.keys import Key


class Lane(Protocol):
    """Runs one rule over all its keys.

    Attributes:
        rule: A `rule.KeyedRule`; the one of now, where it was replaced.
        dirty: Keys whose state changed since the processor last asked; it clears the set.
        is_exact: Whether its timers fire to the millisecond, in order with the events; else they
            only forget what is over.
        state_version: Version of what `dump` gives.
        live_runs: How much is under way: partial matches, open windows or groups.
    """

    rule: Any
    dirty: set[Key]

    @property
    def live_runs(self) -> int: ...
    @property
    def is_exact(self) -> bool: ...
    @property
    def state_version(self) -> int: ...
    @property
    def next_timer_ms(self) -> float:
        """When something is due without further events; infinite = never."""
        ...

    def __len__(self) -> int:
        """Number of keys with state."""
        ...

    def no_key(self) -> None:
        """Count an event that the rule wants and that lacks its key."""
        ...

    def wants(self, key: Key, mask: int, time_ms: int) -> Any:
        """What the lane keeps of the key, if the event may change it; None = it does not."""
        ...

    def advance(
        self, key: Key, held: Any, event: Captured, mask: int, frontier_ms: float
    ) -> Sequence[Any]:
        """Give one event to a key that wants it.

        Args:
            held: What `wants` gave.
            frontier_ms: Events of earlier times have been taken. Past the event's own time, it
                is late; only lanes of rules with `lateness_ms` are given such.
        Returns: What comes of it, in order.
        """
        ...

    def fire(self, now_ms: float) -> Sequence[Any] | None:
        """Fire the exact timers, or some, that are due next; None when none is at `now_ms`.

        All of one time, or in order of keys: what comes of a time is in that order.
        """
        ...

    def tidy(self, frontier_ms: float) -> None:
        """Forget what is over at the frontier, as far as that is due."""
        ...

    def bound(self) -> None:
        """Keep to the limits; what they cut is counted."""
        ...

    def forget_over(self, now_ms: float) -> None:
        """Let what is over by now end without a result: its rule rested when it was due."""
        ...

    def forget(self, key: Key) -> None:
        """Drop a key, if it has state."""
        ...

    def all_keys(self) -> list[Key]:
        """All keys with state."""
        ...

    def dump(self, key: Key) -> bytes | None:
        """The state of a key as bytes; None = it has none."""
        ...

    def load(self, key: Key, data: bytes, version: int) -> None:
        """Set the state of a key. Raises: Corrupt."""
        ...

    def replace(self, rule: Any, layout: TypedLayout) -> None:
        """Go on with the same state under a rule of the same `state_id`."""
        ...

    def counts(self) -> dict[str, int]:
        """The counters by name."""
        ...


@runtime_checkable
class Corrects(Protocol):
    """A lane that puts an event among those that a key was given before, by its time."""

    def expect_late(self, *, expected: bool) -> None:
        """Whether events may be late at all: whether some topics are read in order of time.

        Where none are, nothing is kept for late events; it is begun anew when some are.
        """
        ...

    def reached_ms(self, key: Key) -> float:
        """How far a key has come; minus infinity where nothing is known of it."""
        ...

    def correct(self, key: Key, event: Captured, mask: int, frontier_ms: float) -> Sequence[Any]:
        """Give a key an event that is behind it; see `Lane.advance`."""
        ...


@runtime_checkable
class Shrinks(Protocol):
    """A lane that can let go of a part of what it keeps of a key."""

    def shrink(self, key: Key) -> bool:
        """Let go of a good part, what is oldest or says least; counted. False = it cannot."""
        ...


@runtime_checkable
class Begins(Protocol):
    """A lane that begins keys by itself, before an event of theirs has come."""

    def hold(self, groups: Container[int] | None) -> None:
        """Begin only keys of these key groups; None = of all. Saved states are yet to come."""
        ...
