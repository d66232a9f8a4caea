"""Windows of several keys that are compared with each other: `zscore(sum(x), groups)`.

One owner sees them all, so the rule has one key for all events, and its groups are in here.
"""

from __future__ import annotations

from typing import Any, Final

from summit.cep.aggregates import Moments, is_number, zscore
from summit.cep.aligned import Aligned, AlignedWindows
from summit.cep.panes import Pane, without_a_part
from summit.cep.window_keys import NEVER, Counting, KeyWindows, Told
from summit.cep.window_program import WindowProgram
from summit.events.expressions.window_calls import WindowCall
from summit.keyed.captured import Captured
from summit.keyed.keys import Key, key_text, key_values, make_key

_FEW: Final = 32


class Groups(KeyWindows):
    """All groups of a rule.

    Attributes:
        due: When the first of their windows ends.
        room: How many there may be since some had to go, because the state was too large to be
            saved; None = as many as the rule says. It goes by whether they are few again.
    """

    __slots__ = ("due", "groups", "room")

    def __init__(self) -> None:
        super().__init__()
        self.groups: dict[Key, Aligned] = {}
        self.due: float = NEVER
        self.room: int | None = None


class GroupedWindows:
    """See `window_keys.Windows`.

    Args:
        groups_max: Most groups at a time; events of others are counted and left out.
    """

    def __init__(self, program: WindowProgram, counters: Counting, groups_max: int) -> None:
        self.program = program
        self._inner = AlignedWindows(program, counters)
        self._counters = counters
        self._groups_max = groups_max

    def new(self) -> Groups:
        """See `Windows`."""
        return Groups()

    def take_group(
        self, state: Groups, group: Key, event: Captured, row: tuple[Any, ...]
    ) -> list[Told]:
        """As `Windows.take`, for a group."""
        inner = state.groups.get(group)
        if inner is None:
            if len(state.groups) >= (self._groups_max if state.room is None else state.room):
                self._counters.keys_dropped += 1
                return []
            inner = state.groups[group] = self._inner.new()
        told = self._inner.take(inner, event, row)
        state.due = min(state.due, self._inner.due_ms(inner))
        return told

    def take(self, state: Groups, event: Captured, row: tuple[Any, ...]) -> list[Told]:
        """See `take_group`."""
        raise AssertionError("an event of groups has a group")

    def fire(self, state: Groups, at_ms: int, *, ends: bool) -> list[Told]:
        """See `Windows`: all windows that end at the same time are compared."""
        told: list[Told] = []
        while state.due <= at_ms:
            told += self._close(state, int(state.due), ends=ends)
            inner = self._inner
            for key in [
                key for key, group in state.groups.items()
                if group.start_ms is None and not at_ms < inner.due_ms(group) < NEVER
            ]:  # fmt: skip
                del state.groups[key]
            self._set_due(state)
        if state.room is not None and len(state.groups) < state.room // 2:
            state.room = None
        return told

    def _set_due(self, state: Groups) -> None:
        state.due = min(map(self._inner.due_ms, state.groups.values()), default=NEVER)

    def _close(self, state: Groups, end_ms: int, *, ends: bool) -> list[Told]:
        inner = self._inner
        closing = [
            (key, group, inner.view(group))
            for key, group in state.groups.items()
            if group.start_ms is not None and group.start_ms + inner.size_ms == end_ms
        ]
        views = [view for _, _, view in closing if view.count]
        for call in self.program.compared:
            self._compare(call, views)
        told: list[Told] = []
        for key, group, view in sorted(closing, key=lambda row: key_text(row[0])):
            assert group.start_ms is not None
            one = inner.look(group, view, group.start_ms)
            if one is not None:
                told.append(one._replace(group=key, values={**one.values, "groups": len(views)}))
            inner.step(group, is_empty=not view.count, ends=ends)
        return told

    def _compare(self, call: WindowCall, views: list[Pane]) -> None:
        assert call.of is not None
        figure = self.program.figures[call.of.text]
        found = [(view, value) for view in views if is_number(value := figure(view))]
        others = Moments(squares=True)
        for _, value in found:
            others.add(value)
        for view, value in found:
            others.remove(value)
            if view.scores is None:
                view.scores = {}
            view.scores[call.text] = zscore(value, others)
            others.add(value)

    def begin(self, state: Groups, now_ms: int) -> None:
        """See `Windows`."""
        raise AssertionError("groups are not expected")

    def due_ms(self, state: Groups) -> float:
        """See `Windows`."""
        return state.due

    def size(self, state: Groups) -> int:
        """See `Windows`."""
        return len(state.groups)

    def evidence(self, state: Groups) -> list[list[Captured]]:
        """See `Windows`."""
        return [each for group in state.groups.values() for each in self._inner.evidence(group)]

    def shrink(self, state: Groups) -> bool:
        """See `Windows`: the groups that came last, and no others come in their place.

        A group that went would come back with a part of its events, and be no match for the
        others. Where there are few, each lets go of a part.
        """
        groups = state.groups
        if len(groups) < _FEW and sum(map(self._inner.shrink, groups.values())):
            return True
        if len(groups) < 2:
            return False
        state.room = without_a_part(len(groups))
        for key in list(groups)[state.room :]:
            del groups[key]
            self._counters.keys_dropped += 1
        self._set_due(state)
        return True

    def plain(self, state: Groups) -> tuple[Any, list[Captured]]:
        """See `Windows`: a row for each group, and one without a group for `room`."""
        rows: list[Any] = []
        evidence: list[Captured] = []
        for key in sorted(state.groups, key=key_text):
            plain, events = self._inner.plain(state.groups[key])
            rows.append([list(key_values(key)), len(events), plain])
            evidence += events
        if state.room is not None:
            rows.append([None, state.room, None])
        return rows, evidence

    def load(self, plain: Any, evidence: list[Captured]) -> Groups:
        """See `Windows`."""
        state = self.new()
        taken = 0
        for values, count, inner in plain:
            if values is None:
                state.room = int(count)
                continue
            key = make_key(values)
            if key is None:
                raise ValueError(f"{values} is no key")
            state.groups[key] = self._inner.load(inner, evidence[taken : taken + count])
            taken += count
        self._set_due(state)
        return state
