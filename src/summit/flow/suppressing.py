"""Which matches make an alert where rules have `suppress`, and which count for one that stands.

Of rules with `allowedLateness` it also remembers which matches made one, as only what was told is
corrected. These are bounded by themselves: however many there are, none that stands goes for them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any, Final, NamedTuple

import msgspec

from summit.alerts import CapturedEvent
from summit.alerts.suppression import Standing, Suppression, dump_held, load_held
from summit.base.limits import CORRECTABLE_VALUES_MAX
from summit.cep.match import Match
from summit.documents.plan import PatternPlan
from summit.documents.query_plan import QueryPlan
from summit.events.fields import compile_path
from summit.flow.kinds import Plan
from summit.keyed.keygroups import key_group
from summit.keyed.keys import Key, make_key

_MADE: Final = "made:"  # before the id of an alert, among the values, which are JSON lists
_encode = msgspec.json.Encoder().encode


class Suppressed(NamedTuple):
    """A match that makes no alert.

    Attributes:
        match: None = an anomaly of a query.
        alert_id: The alert that stands for it.
        last_seen_ms: Own time of its latest event.
    """

    match: Match | None
    alert_id: str
    last_seen_ms: int


class Alike(NamedTuple):
    """What matches have in common whose alerts are one: rule, key, and the values of `by`."""

    rule: str
    key: Key
    values: str
    for_ms: int


class Suppressor:
    """Decides for one engine; its state is saved beside that of the rules, by rule and key."""

    def __init__(self) -> None:
        self._held: Suppression[Key] = Suppression()
        self._made: Suppression[Key] = Suppression(CORRECTABLE_VALUES_MAX)

    def look(
        self, plan: PatternPlan, match: Match, events: Sequence[CapturedEvent]
    ) -> Alike | Suppressed | None:
        """Whether an alert stands for a match.

        Args:
            events: Those of the match, in its order.
        Returns: The match suppressed; else what is to be given to `stand` with the alert that
            it makes; None where nothing ever stands for it.
        """
        assert plan.suppress is not None
        key = make_key(match.key)
        values = _values(plan, match, events)
        if key is None or values is None:
            return None
        alike = Alike(plan.id, key, values, plan.suppress.for_ms)
        standing = self.standing(alike, match.end_ms)
        if standing is None:
            return alike
        last_seen_ms = max((event.timestamp_ms for event in events), default=match.end_ms)
        return Suppressed(match, standing, last_seen_ms)

    def standing(self, alike: Alike, at_ms: int) -> str | None:
        """Id of the alert that stands for one that comes true at a time; None = it is to fire."""
        found = self._held.standing(alike.rule, alike.key, alike.values, at_ms)
        return None if found is None else found.alert_id

    def stand(self, alike: Alike, alert_id: str, at_ms: int) -> None:
        """An alert was made: it stands for those like it."""
        standing = Standing(alert_id, at_ms, at_ms + alike.for_ms)
        self._held.stand(alike.rule, alike.key, alike.values, standing)

    def made(self, plan: PatternPlan, match: Match, alert_id: str) -> None:
        """The match that an alert was made of may be corrected: remember that it was made.

        Also where the rule does not suppress: it may when the correction comes. Not where it
        compares groups: it never may, and their keys may be of key groups that others hold.
        """
        if plan.window is not None and plan.window.by_groups:
            return
        key, at_ms = make_key(match.key), match.end_ms
        if plan.lateness_ms and key is not None:
            until_ms = at_ms + 2 * plan.lateness_ms  # what is looked at later than due is in it
            made = Standing("", at_ms, until_ms)  # stands for nothing
            self._made.stand(plan.id, key, _MADE + alert_id, made)

    def correct(
        self, plan: PatternPlan, match: Match, events: Sequence[CapturedEvent], alert_id: str
    ) -> bool:
        """Whether a correction is to be told: whether what it corrects was.

        What is withdrawn stands for nothing any more; what is told anew stands as at first.

        Args:
            alert_id: Id of the alert that the match made at first, if it made one.
        """
        assert plan.suppress is not None
        key, values = make_key(match.key), _values(plan, match, events)
        if key is None or values is None:
            return True
        if self._made.standing(plan.id, key, _MADE + alert_id, match.end_ms) is None:
            return False
        alike = Alike(plan.id, key, values, plan.suppress.for_ms)
        if match.withdrawn:
            self._held.end(plan.id, key, alert_id)
        elif self.standing(alike, match.end_ms) is None:
            self.stand(alike, alert_id, match.end_ms)
        return True

    @property
    def evicted(self) -> int:
        """Alerts that stand no more because there were too many."""
        return self._held.evicted

    @property
    def made_evicted(self) -> int:
        """Alerts that are corrected no more because there were too many."""
        return self._made.evicted

    def tidy(self, frontier_ms: float) -> None:
        """Forget what is over."""
        for kept in self._both():
            kept.tidy(frontier_ms)

    def keep_rules(self, plans: Iterable[Plan]) -> None:
        """Go by these rules; what stands for others is forgotten."""
        names = {name for plan in plans if (name := _kept_id(plan)) is not None}
        for kept in self._both():
            kept.keep_rules(names)

    def hold(self, groups: Collection[int]) -> None:
        """Keep the keys of these key groups only."""
        held = frozenset(groups)
        for kept in self._both():
            kept.drop(lambda key: key_group(key) not in held)

    def take_dirty(self) -> list[tuple[int, str, Key]]:
        """Key group, rule and key of what has changed since the last call."""
        dirty = self._held.dirty | self._made.dirty
        for kept in self._both():
            kept.dirty.clear()
        return [(key_group(key), rule, key) for rule, key in dirty]

    def names(self) -> list[tuple[str, Key]]:
        """Rule and key of everything that is kept."""
        return list(dict.fromkeys(name for kept in self._both() for name in kept.names()))

    def dump(self, rule: str, key: Key) -> bytes | None:
        """What is kept of a key of a rule; None = nothing."""
        return dump_held({**self._held.held(rule, key), **self._made.held(rule, key)})

    def load(self, rule: str, key: Key, data: bytes, *, changed: bool = False) -> None:
        """Set what is kept of a key of a rule. Raises Corrupt("alert.suppressed").

        Args:
            changed: It is to be saved anew.
        """
        saved = load_held(data)
        made = {values: each for values, each in saved.items() if values.startswith(_MADE)}
        self._made.set(rule, key, made)
        self._held.set(rule, key, {v: each for v, each in saved.items() if v not in made})
        if changed:
            self._held.dirty.add((rule, key))

    def forget(self, rule: str, key: Key) -> None:
        """Let nothing stand for a key of a rule."""
        for kept in self._both():
            kept.forget(rule, key)

    def _both(self) -> tuple[Suppression[Key], Suppression[Key]]:
        return self._held, self._made


def _kept_id(plan: Plan) -> str | None:
    """The id of the rule where something is kept of it: it suppresses, or may be corrected."""
    if isinstance(plan, PatternPlan):
        return None if plan.suppress is None and not plan.lateness_ms else plan.id
    if isinstance(plan, QueryPlan):
        alerts = (metric.anomaly.alert for metric in plan.metrics if metric.anomaly is not None)
        if any(alert is not None and alert.suppress_ms for alert in alerts):
            return f"query:{plan.id}"
    return None


def _values(plan: PatternPlan, match: Match, events: Sequence[CapturedEvent]) -> str | None:
    """Fields of `by` and their values as text; None where one is missing."""
    assert plan.suppress is not None
    of_key = dict(zip(plan.group_by, match.key, strict=True))
    found: list[Any] = []
    for path in plan.suppress.by:
        value = of_key.get(path)
        if value is None:
            find = compile_path(path)
            seen = (find(event.body) for event in reversed(events))
            value = next((each for each in seen if each is not None), None)
        if value is None:
            return None
        found.append([".".join(path), value])
    return _encode(found).decode()
