"""A query as a keyed rule, and its lane: how workers run it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

from summit.analytics.found import Found
from summit.analytics.keeper import NEVER, STATE_VERSION
from summit.analytics.program import Program
from summit.analytics.reading import key_of, query_fields
from summit.analytics.windows import new_keeper
from summit.documents.query_plan import QueryPlan
from summit.events.expressions.ir import Literal, Node, Path
from summit.events.layouts import TypedLayout
from summit.keyed.captured import Captured, Origins
from summit.keyed.keys import Key
from summit.keyed.outputs import Late

_TRUE: Final = Literal(True)


class QueryRule:
    """See `keyed.rule.KeyedRule`."""

    sees_all = False

    def __init__(self, plan: QueryPlan) -> None:
        self.plan = plan
        self.id = f"query:{plan.id}"
        self.state_id = plan.state_id
        self.topics = plan.topics
        self.group_by: Sequence[Path] = plan.group_by
        self.where: Node | None = None
        self.bits: Sequence[Node] = (plan.predicate or _TRUE,)
        self.lateness_ms = plan.lateness_ms
        self.types = None if plan.types is None else frozenset(plan.types)
        self.program = Program(plan)

    def fields(self) -> Iterator[Path]:
        """Every field of an event that the query reads."""
        yield from query_fields(self.program)

    def key_of(self, layout: TypedLayout) -> Callable[[Any], Key | None]:
        """The group of a decoded event."""
        return key_of(self.plan, layout)

    def new_lane(self, layout: TypedLayout, origins: Origins) -> QueryLane:
        """A lane without groups."""
        del origins
        return QueryLane(self, layout)


class Told(Found, frozen=True, gc=False, kw_only=True):
    """What a lane gives: a group's result, with its query."""

    plan: QueryPlan


class QueryLane:
    """See `keyed.lane.Lane`."""

    is_exact = True
    state_version = STATE_VERSION

    def __init__(self, rule: QueryRule, layout: TypedLayout) -> None:
        self.rule = rule
        self.keeper = new_keeper(rule.program)
        self._row = rule.program.row_of(layout)
        self._fired_ms: float = -NEVER
        if rule.plan.early_ms is not None:
            self.early(0)  # begins to note which groups have news

    @property
    def dirty(self) -> set[Key]:
        """See `Lane`."""
        return self.keeper.dirty

    @dirty.setter
    def dirty(self, keys: set[Key]) -> None:
        self.keeper.dirty = keys

    @property
    def live_runs(self) -> int:
        """Groups with state."""
        return len(self.keeper)

    @property
    def next_timer_ms(self) -> float:
        """See `Lane`."""
        return self.keeper.next_ms

    def __len__(self) -> int:
        return len(self.keeper)

    def no_key(self) -> None:
        """Never: what is missing is a key too."""

    def wants(self, key: Key, mask: int, time_ms: int) -> bool | None:
        """Whether the event is one of the query's."""
        del key, time_ms
        return True if mask & 1 else None

    def advance(
        self, key: Key, held: Any, event: Captured, mask: int, frontier_ms: float
    ) -> Sequence[Told | Late]:
        """See `Lane`; an event that came after all its windows is told as late."""
        del held, mask
        at, origin, keeper = event.own_ms, event.origin, self.keeper
        place = (at, origin.topic, origin.partition, event.offset)
        # Where frames are caught up, what is due by the frontier may not have been fired yet, and
        # a key may be behind others: time was never further than when its event was taken.
        fired_ms = max(min(frontier_ms, keeper.next_ms - 1), self._fired_ms)
        now_ms = min(fired_ms, max(event.time_ms, frontier_ms))
        state = keeper.states.get(key)
        if state is not None and state.due <= now_ms:
            now_ms = state.due - 1
        late = keeper.counters.late
        told = keeper.add(key, at, [self._row(event.fields, place)], now_ms)
        if keeper.counters.late != late:
            return [Late(
                origin.topic, origin.partition, event.offset, at, int(now_ms), self.rule.id,
            )]  # fmt: skip
        if max(len(keeper.states), len(keeper.watches)) > self.rule.plan.groups_max:
            told += keeper.bound()
        return self._told(told) if told else ()

    def fire(self, now_ms: float) -> list[Told] | None:
        """See `Lane`."""
        self._fired_ms = max(self._fired_ms, min(now_ms, self.keeper.next_ms))
        fired = self.keeper.fire(now_ms)
        return None if fired is None else self._told(fired)

    def tidy(self, frontier_ms: float) -> None:
        """Nothing is kept that is over."""

    def bound(self) -> None:
        """Nothing: the limit is kept at each event, so that what goes is told with it."""

    def forget_over(self, now_ms: float) -> None:
        """See `Lane`."""
        self.keeper.fire_all(now_ms)

    def forget(self, key: Key) -> None:
        """See `Lane`."""
        self.keeper.forget(key)

    def all_keys(self) -> list[Key]:
        """See `Lane`."""
        return self.keeper.all_keys()

    def dump(self, key: Key) -> bytes | None:
        """See `Lane`."""
        return self.keeper.dump(key)

    def load(self, key: Key, data: bytes, version: int) -> None:
        """See `Lane`. Raises: Corrupt("query.state")."""
        self.keeper.load(key, data, version)

    def replace(self, rule: QueryRule, layout: TypedLayout) -> None:
        """See `Lane`."""
        self.rule = rule
        self._row = rule.program.row_of(layout)
        self.keeper.replace(rule.program)
        if rule.plan.early_ms is None:
            self.keeper.touched = None
        elif self.keeper.touched is None:
            self.early(0)

    def early(self, most: int) -> list[Told]:
        """The windows as they stand of at most so many groups with news."""
        return self._told(self.keeper.early_ones(self._fired_ms, most))

    def counts(self) -> dict[str, int]:
        """See `Lane`."""
        counts = self.keeper.counts()
        return {**counts, "matches": counts["told"]}

    def _told(self, found: list[Found]) -> list[Told]:
        plan = self.rule.plan
        return [
            Told(
                plan=plan, key=one.key, start_ms=one.start_ms, end_ms=one.end_ms, count=one.count,
                metrics=one.metrics, final=one.final, revision=one.revision, partial=one.partial,
                replaces=one.replaces, approximate=one.approximate, watched=one.watched,
                nth=one.nth,
            )
            for one in found
        ]  # fmt: skip
