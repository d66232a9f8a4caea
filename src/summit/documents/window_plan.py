"""What the window of a pattern document becomes: data only, as in `plan.py`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from summit.events.expressions.ir import Node
from summit.events.expressions.window_calls import WindowCall

WindowKind = Literal["tumbling", "sliding", "session"]
Rearm = Literal["window", "always", "after"]

EVENTS_PER_KEY_DEFAULT = 100_000
EVIDENCE_DEFAULT = 10


@dataclass(frozen=True, slots=True)
class WindowPlan:
    """A window over the events of each key, and when it is told.

    Attributes:
        size_ms: None only for a session without a limit.
        slide_ms: Only of sliding windows, None = the window is looked at with each event.
        gap_ms: Only of sessions.
        calls: All values that something asks for, in the order of their texts.
        names: Names that the document gives to calls: (name, text of the call).
        having: What must be true of the window; its fields are texts of calls. None = nothing.
        on_empty: Whether `having` holds when there are no events: an absence.
        rearm: When a key may be told again.
        rearm_ms: Only of `after`.
        scores: What an event of a type adds to `score()`, each type once.
        expected: Keys that count as seen when the rule begins.
        events_max: Events, or values, of one key that are kept; what that cuts is counted.
        evidence_max: The last events of a key that are kept whole, for alerts.
        state_hash: Over what decides what is kept: state with the same hash means the same.
    """

    kind: WindowKind
    size_ms: int | None
    slide_ms: int | None = None
    gap_ms: int | None = None
    calls: tuple[WindowCall, ...] = ()
    names: tuple[tuple[str, str], ...] = ()
    having: Node | None = None
    on_empty: bool = False
    rearm: Rearm = "window"
    rearm_ms: int = 0
    scores: tuple[tuple[str, int | float], ...] = ()
    expected: tuple[tuple[Any, ...], ...] = ()
    events_max: int = EVENTS_PER_KEY_DEFAULT
    evidence_max: int = EVIDENCE_DEFAULT
    state_hash: str = ""

    @property
    def by_groups(self) -> bool:
        """Whether keys are compared with each other, so that one owner must see them all."""
        return any(call.function == "zscore" for call in self.calls)

    @property
    def is_trailing(self) -> bool:
        """Whether the window ends with each event."""
        return self.kind == "sliding" and self.slide_ms is None
