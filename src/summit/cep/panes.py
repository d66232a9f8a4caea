"""A pane: what is kept of the events of one span of time, which only come and never go."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from summit.cep.aggregates import Counted, Keep, Ordered
from summit.keyed.captured import Captured

if TYPE_CHECKING:
    from summit.cep.window_program import WindowProgram


class Pane:
    """See the module.

    Attributes:
        count: Events.
        keeps: One for each of the program's.
        first_ms, last_ms: Times of the earliest and the latest event.
        evidence: The events that came last, whole; the program says how many.
        scores: z-scores by the call's text, where groups were compared.
        values_max: Most values of a keep since it was cut; None = the program's `events_max`.
    """

    __slots__ = ("count", "evidence", "first_ms", "keeps", "last_ms", "scores", "values_max")

    def __init__(self, keeps: list[Keep], at_ms: int = 0) -> None:
        self.count = 0
        self.keeps = keeps
        self.first_ms = at_ms
        self.last_ms = at_ms
        self.evidence: list[Captured] = []
        self.scores: dict[str, Any] | None = None
        self.values_max: int | None = None

    def keep(self, index: int) -> Keep:
        """One of the keeps."""
        return self.keeps[index]

    def put(self, event: Captured, row: tuple[Any, ...], program: WindowProgram) -> None:
        """Take an event in.

        Args:
            row: Its values, one for each keep; None does not enter.
        """
        at = event.time_ms
        if not self.count:
            self.first_ms = self.last_ms = at
        elif at > self.last_ms:
            self.last_ms = at
        elif at < self.first_ms:
            self.first_ms = at
        self.count += 1
        most = program.events_max if self.values_max is None else self.values_max
        full = self.count > most
        for keep, value in zip(self.keeps, row, strict=True):
            if value is not None:
                if full and is_full(keep, value, most):
                    program.values_dropped += 1
                else:
                    keep.add(value)
        note_evidence(self.evidence, event, program.evidence_max)

    def shrink(self, program: WindowProgram) -> bool:
        """Let go of a part of the values, counted, and take no more; False = there are none.

        Of different values the last go: a number of them stays true as "at least". Of numbers
        some between the others go, which leaves percentiles about where they are.
        """
        grown = [keep for keep in self.keeps if isinstance(keep, (Counted, Ordered))]
        longest = max(map(len, grown), default=0)
        if longest < 2:
            return False
        self.values_max = without_a_part(longest)
        program.values_dropped += sum(keep.cut_to(self.values_max) for keep in grown)
        return True


def without_a_part(count: int) -> int:
    """How many of several stay each time that a state is made smaller, one at least."""
    return count - max(count // 8, 1)


def note_evidence(evidence: list[Captured], event: Captured, most: int) -> None:
    """Keep an event as one of the last, in the order of time."""
    event.fields = None  # the value holds all of it
    place = len(evidence)
    while place and evidence[place - 1].time_ms > event.time_ms:
        place -= 1
    evidence.insert(place, event)
    if len(evidence) > most:
        del evidence[0]


def is_full(keep: Keep, value: Any, most: int) -> bool:
    """Whether a keep that grows with its values may not take one more."""
    if isinstance(keep, Counted):
        return len(keep.counts) >= most and value not in keep.counts
    return isinstance(keep, Ordered) and len(keep.numbers) >= most


def merged(panes: Iterable[Pane], program: WindowProgram) -> Pane:
    """The pane of the events of several; `panes` in the order of time."""
    found = list(panes)
    if len(found) == 1:
        return found[0]
    whole = Pane(program.new_keeps())
    for pane in found:
        if not whole.count:
            whole.first_ms = pane.first_ms
        whole.last_ms = pane.last_ms
        whole.count += pane.count
        for keep, other in zip(whole.keeps, pane.keeps, strict=True):
            keep.merge(other)
        whole.evidence += pane.evidence
    del whole.evidence[: max(0, len(whole.evidence) - program.evidence_max)]
    return whole
