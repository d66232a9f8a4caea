"""What the windows of one key have in common, and when a key may be told again."""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

from summit.cep.window_program import View, WindowProgram
from summit.keyed.captured import Captured
from summit.keyed.keys import Key

NEVER = float("inf")
SILENT_MAX = 1_000  # alerts about one silence of a key, where a rule repeats them


class KeyWindows:
    """One key's part of a rule.

    Attributes:
        is_armed: Whether `having` was false, or nothing was told, since it was told.
        told_ms: When it was told last, or None.
        begun_ms: Since when a key without events in its windows is awaited, or None.
        silent: How often in a row it was told that there are no events.
        timer_ms: A timer that is set for the key; never later than what is due.
    """

    __slots__ = ("begun_ms", "is_armed", "silent", "timer_ms", "told_ms")

    def __init__(self) -> None:
        self.is_armed = True
        self.told_ms: int | None = None
        self.begun_ms: int | None = None
        self.silent = 0
        self.timer_ms = NEVER


class Told(NamedTuple):
    """A window for which `having` holds, as it is told.

    Attributes:
        group: The key, where the windows of several keys are compared; else None.
        start_ms, end_ms: Of the window, half-open.
        at_ms: When it came true.
        first_ms: Time of the first event; of none, the window's start.
        events: How many events there are.
        timed: Whether time completed it, not an event.
    """

    group: Key | None
    start_ms: int
    end_ms: int
    at_ms: int
    first_ms: int
    events: int
    evidence: list[Captured]
    values: dict[str, Any]
    timed: bool


class Counting(Protocol):
    """The counters that windows touch."""

    late: int
    events_dropped: int
    rolled: int
    keys_dropped: int


class Windows(Protocol):
    """How the windows of keys of one rule live, by the kind of the window."""

    program: WindowProgram

    def new(self) -> Any:
        """A key without events."""
        ...

    def take(self, state: Any, event: Captured, row: tuple[Any, ...]) -> list[Told]:
        """Put an event into a key's windows; what the event completes."""
        ...

    def begin(self, state: Any, now_ms: int) -> None:
        """Await a key from which no event has come."""
        ...

    def fire(self, state: Any, at_ms: int, *, ends: bool) -> list[Told]:
        """What is due for a key up to a time.

        Args:
            ends: Time ends: what would be told for ever is told once.
        """
        ...

    def due_ms(self, state: Any) -> float:
        """When something is due without an event; infinite = never, forget the key."""
        ...

    def size(self, state: Any) -> int:
        """How many events, panes or groups the key has, for figures."""
        ...

    def evidence(self, state: Any) -> list[list[Captured]]:
        """The events that are kept to be shown, by window or pane."""
        ...

    def shrink(self, state: Any) -> bool:
        """Let go of a part of the others, counted; False = there is nothing that could go."""
        ...

    def plain(self, state: Any) -> tuple[Any, list[Captured]]:
        """The state for saving, and its events, in a fixed order."""
        ...

    def load(self, plain: Any, evidence: list[Captured]) -> Any:
        """What `plain` gave. Raises: ValueError, TypeError, IndexError."""
        ...


def is_told(program: WindowProgram, state: KeyWindows, view: View, at_ms: int) -> bool:
    """Whether a window is to be told, given what the key was told before."""
    plan = program.plan
    holds = program.having is None or program.having(view)
    if not holds:
        state.is_armed = True
        return False
    if plan.rearm == "after":
        told = state.told_ms is None or at_ms >= state.told_ms + plan.rearm_ms
    elif plan.rearm == "always" or (view.count and plan.kind != "sliding"):
        told = True  # each of these windows is another one
    else:
        told = state.is_armed or (
            view.count > 0 and state.told_ms is not None and plan.size_ms is not None
            and at_ms >= state.told_ms + plan.size_ms
        )  # fmt: skip
    if told:
        state.told_ms = at_ms
        state.is_armed = False
    return told


def remembered_ms(program: WindowProgram, state: KeyWindows) -> float:
    """Until when a key without events must be remembered, because of what it was told."""
    plan = program.plan
    if state.told_ms is None:
        return NEVER
    if plan.rearm == "after":
        return state.told_ms + plan.rearm_ms
    if plan.rearm == "window" and plan.kind == "sliding" and plan.on_empty:
        assert plan.size_ms is not None
        return state.told_ms + plan.size_ms  # `having` was not false since
    return NEVER


def next_multiple(now_ms: int, span_ms: int) -> int:
    """When a key that is expected begins to be awaited.

    At the next multiple of the span: when time first becomes known depends on how a log is read,
    and what is told should not.
    """
    return -(-now_ms // span_ms) * span_ms


def plain_head(state: KeyWindows) -> list[Any]:
    """What all windows save of a key."""
    return [int(state.is_armed), state.told_ms, state.begun_ms, state.silent]


def load_head(state: KeyWindows, plain: list[Any]) -> None:
    """Sets what `plain_head` gave. Raises: ValueError, TypeError."""
    armed, state.told_ms, state.begun_ms, state.silent = plain
    state.is_armed = bool(armed)
