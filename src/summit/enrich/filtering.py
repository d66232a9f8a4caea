"""`Filter`: which events go on. No rule that excludes may hold, and those that include must."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal, NamedTuple

from summit.documents.filter import FilterPlan
from summit.events.event import Readable
from summit.events.expressions import compile_predicate
from summit.events.layouts import EventLayout

Mode = Literal["all", "any"]


class Verdict(NamedTuple):
    """Whether an event goes on, and the rule that stopped it ("" = no one rule alone)."""

    passes: bool
    rule: str = ""


_PASSES: Final = Verdict(passes=True)


class Filter:
    """A set of filters, compiled once.

    Args:
        plans: The rules. Without one that includes, all that is not excluded goes on.
        mode: Whether all rules that include must hold, or any one of them.
    """

    def __init__(self, plans: Sequence[FilterPlan], mode: Mode = "all") -> None:
        rules = [
            (plan, compile_predicate(plan.predicate, EventLayout()), Verdict(False, plan.id))
            for plan in plans
        ]
        self._exclude = [(holds, no) for plan, holds, no in rules if plan.action == "exclude"]
        self._include = [(holds, no) for plan, holds, no in rules if plan.action == "include"]
        self._any = mode == "any"
        only = self._include[0][1] if len(self._include) == 1 else Verdict(False)
        self._none_included = only

    def apply(self, events: Sequence[Readable]) -> list[Verdict]:
        """The verdict on each event of a batch."""
        return [self._decide(event) for event in events]

    def _decide(self, event: Readable) -> Verdict:
        for holds, verdict in self._exclude:
            if holds(event):
                return verdict
        if not self._any:
            for holds, verdict in self._include:
                if not holds(event):
                    return verdict
            return _PASSES
        if not self._include or any(holds(event) for holds, _ in self._include):
            return _PASSES
        return self._none_included
