"""Rules that link events, under random events: held to the plainest linker, and to plain graphs.

However the events are cut into batches, and wherever the state is saved and loaded.
"""

from __future__ import annotations

from collections import defaultdict
from itertools import pairwise
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.cep.correlations import Sent, chunks, correlator_of, rule

from summit.cep.groups import Correlation
from summit.cep.linked_state import LINKED_STATE_VERSION
from summit.documents.correlation import CorrelationPlan
from summit.keyed.keygroups import key_group
from summit.keyed.keys import make_key
from summit.keyed.outputs import StateKey

END_MS = 10_000
KINDS = ("a", "b")
FIELDS = {"ip": ["ip", "to"], "user": ["user"]}

times = st.one_of(
    st.fixed_dictionaries({"timeWindow": st.integers(1, 15)}),
    st.fixed_dictionaries(
        {"window": st.just("session"), "gap": st.integers(1, 6)},
        optional={"timeWindow": st.integers(1, 20)},
    ),
)


@st.composite
def plans(draw: st.DrawFn) -> CorrelationPlan:
    fields: dict[str, Any] = {**draw(times), "correlationKey": None, "linkedBy": FIELDS}
    if draw(st.booleans()):
        fields["correlationKey"] = "tenant"
    fields["onMax"] = draw(st.sampled_from(["close", "cap"]))
    fields["maxEvents"] = draw(st.integers(1, 8))
    caps = fields["onMax"] == "cap"
    fields["minEvents"] = draw(st.integers(1, 4 if caps else min(4, fields["maxEvents"])))
    if draw(st.booleans()) and fields["maxEvents"] > 1:
        fields["requireTypes"] = draw(st.lists(st.sampled_from(KINDS), unique=True))
    fields["hubs"] = {"links": draw(st.sampled_from([1, 2, 3, 100])), "ignore": ["-", "0.0.0.0/8"]}
    if draw(st.booleans()):
        fields["limits"] = {"groups": draw(st.integers(1, 4)), "events": draw(st.integers(1, 9))}
    return rule(**fields)


ips = st.sampled_from([None, "1", "2", "3", 4, "-", "0.0.0.1", ["5", "6", "1"]])
events = st.tuples(
    st.integers(0, 1), st.sampled_from([0, 0, 1, 1, 2, 3, 5, 9, 20, -1, -4, -15]),
    st.sampled_from(KINDS), ips, ips, st.sampled_from([None, "u", "v", "w", "1"]),
    st.sampled_from(["t1", "t1", "t2", None]),
)  # fmt: skip


@st.composite
def streams(draw: st.DrawFn) -> list[Sent]:
    """Events of two partitions whose times go on, jump, and now and then go back."""
    at = [100, 100]
    sent: list[Sent] = []
    size = draw(st.integers(0, 30))
    drawn = draw(st.lists(events, min_size=size, max_size=size))
    for partition, step, kind, ip, to, user, tenant in drawn:
        at[partition] += step
        fields = {"ip": ip, "to": to, "user": user, "tenant": tenant}
        sent.append((partition, at[partition], kind, fields))
    return sent


def named(fields: dict[str, Any]) -> list[tuple[str, Any]]:
    """The entities of an event, each once, in the order of the rule."""
    found: list[tuple[str, Any]] = []
    for kind, names in FIELDS.items():
        for name in names:
            given = fields.get(name)
            for value in given if isinstance(given, list) else [given]:
                if value not in (None, "-", "0.0.0.1") and (kind, value) not in found:
                    found.append((kind, value))
    return found


class Plain:
    """Every open group is looked at for every event; nothing is indexed."""

    def __init__(self, plan: CorrelationPlan) -> None:
        self.plan = plan
        self.reached: dict[int, int] = {}
        self.open: list[dict[str, Any]] = []
        self.told: list[Any] = []
        self.counts = dict.fromkeys(
            ("taken", "without_key", "ignored", "opened", "merged", "evicted", "beyond_max"), 0
        )

    def take(self, offset: int, sent: Sent) -> None:
        plan = self.plan
        partition, own, kind, fields = sent
        time = max(own, self.reached.get(partition, own))
        self.reached[partition] = time
        self.close_until(min(self.reached.values()))
        tenant = make_key([fields["tenant"]]) if plan.keys else ()
        if tenant is None or all(fields[name] is None for name in ("ip", "to", "user")):
            self.counts["without_key"] += 1
            return
        entities = named(fields)
        if not entities:
            self.counts["ignored"] += 1
            return
        self.counts["taken"] += 1
        near = [g for g in self.open if g["tenant"] == tenant and self.takes(g, time)]
        near.sort(key=lambda g: (g["start"], "t", *g["events"][0][:2]))
        most = plan.linking.links_max if plan.linking else 0
        hubs = [e for e in entities if any(g["brought"].get(e, 0) >= most for g in near)]
        joined = [g for g in near if any(e in g["count"] for e in entities if e not in hubs)]
        joined = [g for g in joined if g is joined[0] or self.fits(joined[0], g, time)]
        if not joined and len(hubs) == len(entities):
            joined = [g for g in near if any(g["brought"].get(e, 0) >= most for e in entities)][:1]
        bears = [e for e in entities if e not in hubs or any(e in g["count"] for g in joined)]
        place = (partition, offset)
        if joined:
            group = joined[0]
        else:
            group = {
                "tenant": tenant, "start": time, "end": time, "total": 0, "events": [],
                "kinds": set(), "told": False, "count": {}, "brought": {}, "edges": [],
            }  # fmt: skip
            self.counts["opened"] += 1
            self.open.append(group)
        new = len(joined) > 1 or any(e not in group["count"] for e in bears)
        for g in joined:
            shared = [e for e in bears if e in g["count"]]
            group["edges"].append(place)
            for e in shared if new else ():
                if g["brought"].get(e, 0) < most:
                    g["brought"][e] = g["brought"].get(e, 0) + 1
        was_told = False
        for other in joined[1:]:
            was_told |= other["told"]
            if other["told"]:
                self.tell(other, "merged")
            self.open.remove(other)
            self.counts["merged"] += 1
            self.merge(group, other)
        time = max(time, group["start"])
        group["total"] += 1
        group["end"] = max(group["end"], time)
        group["kinds"].add(kind)
        if len(group["events"]) < plan.max_events:
            group["events"].append((partition, offset, time))
        else:
            self.counts["beyond_max"] += 1
            bears = [e for e in bears if e in group["count"]]
        for e in bears:
            group["count"][e] = group["count"].get(e, 0) + 1
        if not plan.caps and group["total"] >= plan.max_events:
            self.close(group, "max")
        elif was_told or (self.enough(group) and not group["told"]):
            group["told"] = True
            self.tell(group, None)
        self.evict()

    def evict(self) -> None:
        plan = self.plan
        while (
            len(self.open) > plan.groups_max
            or sum(len(g["events"]) for g in self.open) > plan.events_max
        ):
            self.counts["evicted"] += 1
            first = min(self.over(g) for g in self.open)
            ends = [g for g in self.open if self.over(g) == first]
            if len(ends) > 1:
                raise Ambiguous  # names of groups decide, which this one has not
            self.close(ends[0], "evicted")

    def merge(self, group: dict[str, Any], other: dict[str, Any]) -> None:
        together = sorted(group["events"] + other["events"], key=lambda event: event[2])
        self.counts["beyond_max"] += len(together[self.plan.max_events :])
        group["events"] = together[: self.plan.max_events]
        group["total"] += other["total"]
        group["end"] = max(group["end"], other["end"])
        group["kinds"] |= other["kinds"]
        group["edges"] += other["edges"]
        for name in ("count", "brought"):
            for e, n in other[name].items():
                group[name][e] = group[name].get(e, 0) + n

    def takes(self, group: dict[str, Any], time: int) -> bool:
        ahead = group["start"] - time
        if ahead <= 0:
            return time < self.over(group)
        plan = self.plan
        return (plan.gap_ms is None or ahead <= plan.gap_ms) and (
            plan.window_ms is None or ahead < plan.window_ms
        )

    def fits(self, first: dict[str, Any], other: dict[str, Any], time: int) -> bool:
        end = max(first["end"], other["end"], time)
        return self.plan.window_ms is None or end - first["start"] < self.plan.window_ms

    def over(self, group: dict[str, Any]) -> float:
        plan, ever = self.plan, float("inf")
        return min(
            group["start"] + (ever if plan.window_ms is None else plan.window_ms),
            group["end"] + (ever if plan.gap_ms is None else plan.gap_ms + 1),
        )

    def close_until(self, now: float) -> None:
        for group in sorted(self.open, key=self.over):
            if self.over(group) <= now:
                plan = self.plan
                by_window = plan.window_ms is not None and self.over(group) == (
                    group["start"] + plan.window_ms
                )
                self.close(group, "window" if by_window else "gap")

    def enough(self, group: dict[str, Any]) -> bool:
        plan = self.plan
        return group["total"] >= plan.min_events and group["kinds"] >= set(plan.require_types)

    def close(self, group: dict[str, Any], reason: str) -> None:
        self.open.remove(group)
        if self.enough(group):
            self.tell(group, reason)

    def tell(self, group: dict[str, Any], reason: str | None) -> None:
        self.told.append(
            (
                reason, group["start"], group["end"], group["total"],
                [event[:2] for event in group["events"]],
                sorted(map(repr, group["count"].items())), sorted(group["edges"]),
            )
        )  # fmt: skip


class Ambiguous(Exception):
    """What closes first depends on the names of groups; such an example proves nothing."""


def told(found: list[Correlation]) -> list[Any]:
    return [
        (
            c.close_reason, c.start_ms, c.end_ms, c.count,
            [(e.partition, e.offset) for e in c.events],
            sorted(repr(((e.kind, e.value), e.borne)) for e in c.entities),
            sorted(link.target[1:] for link in c.links),
        )
        for c in found
    ]  # fmt: skip


def in_groups(one: list[Any]) -> list[str]:
    """What is told, whatever closes first of what closes at one time."""
    return sorted(map(repr, one))


@settings(max_examples=200, deadline=None)
@given(plans(), streams())
def test_it_tells_what_the_plainest_linker_tells(plan: CorrelationPlan, sent: list[Sent]) -> None:
    plain = Plain(plan)
    try:
        for offset, one in enumerate(sent):
            plain.take(offset, one)
    except Ambiguous:
        return
    plain.close_until(END_MS)
    linker = correlator_of([plan])
    done = linker.apply(chunks(sent), END_MS)
    cut = 2 * plan.max_events  # so many links are kept
    shown = [one for one in told(done.outputs.found) if len(one[6]) < cut]
    assert in_groups(shown) == in_groups([one for one in plain.told if len(one[6]) < cut])
    counts = linker.rule_stats()["correlation:r"]
    assert {name: counts[name] for name in plain.counts} == plain.counts
    assert (linker.state_keys(), counts["live_runs"]) == ([], 0)
    (lane,) = linker.lanes
    assert lane._having == {}  # type: ignore[attr-defined] # nothing is left of closed groups


@settings(max_examples=120, deadline=None)
@given(plans(), streams(), st.data())
def test_splits_and_saved_state_change_nothing(
    plan: CorrelationPlan, sent: list[Sent], data: st.DataObject
) -> None:
    whole = correlator_of([plan])
    expected = whole.apply(chunks(sent))
    saved: dict[StateKey, bytes] = {}  # a changelog: only what is dirty is written
    linker, found = correlator_of([plan]), []
    cuts = data.draw(st.sets(st.integers(0, len(sent)), max_size=6))
    for begin, end in pairwise(sorted({0, *cuts, len(sent)})):
        done = linker.apply(chunks(sent[begin:end], first=begin))
        found += done.outputs.found
        for key in done.dirty:
            state = linker.dump(key)
            saved.pop(key, None) if state is None else saved.update({key: state})
        if data.draw(st.booleans()):
            watermarks = linker.watermarks()
            linker = correlator_of([plan])
            linker.set_watermarks(watermarks)
            for key in data.draw(st.permutations(list(saved))):
                assert linker.load(key, saved[key], LINKED_STATE_VERSION)
    assert found == expected.outputs.found
    assert {key: whole.dump(key) for key in whole.state_keys()} == saved
    assert linker.next_timer_ms == whole.next_timer_ms
    assert linker.apply([], END_MS).outputs.found == whole.apply([], END_MS).outputs.found
    tenants = {key_group(tenant) for tenant in ("t1", "t2", ())}
    assert {key_group(key.key) for key in saved} <= tenants


@settings(max_examples=100, deadline=None)
@given(streams(), st.randoms())
def test_groups_are_the_connected_parts_of_the_graph_in_any_order(
    sent: list[Sent], chance: Any
) -> None:
    plan = rule(correlationKey=None, linkedBy=FIELDS, timeWindow=5_000, hubs={"ignore": ["-"]})
    entities = {
        offset: [("e", *entity) for entity in named(fields)]
        + [("e", "ip", "0.0.0.1")] * ("0.0.0.1" in (fields["ip"], fields["to"]))
        for offset, (_, _, _, fields) in enumerate(sent)
    }
    near: dict[Any, set[Any]] = defaultdict(set)
    for offset, bears in entities.items():
        for entity in bears:
            near[offset].add(entity)
            near[entity].add(offset)
    parts = {frozenset(n for n in reach(near, start) if type(n) is int) for start in near}
    order = list(enumerate(sent))
    chance.shuffle(order)
    linker = correlator_of([plan])
    found: list[Correlation] = []
    for offset, (_, time, kind, fields) in order:
        (one,) = chunks([(0, time, kind, fields)], first=offset)
        found += linker.apply([one]).outputs.found
    found += linker.apply([], END_MS).outputs.found
    closed = [one for one in found if one.close_reason == "window"]
    assert {frozenset(e.offset for e in one.events) for one in closed} == parts
    for one in closed:
        edges: dict[Any, set[Any]] = defaultdict(set)
        for link in one.links:
            value = ("e", link.kind, link.value)
            assert value in entities[link.source[2]]
            assert value in entities[link.target[2]]
            edges[link.source[2]].add(link.target[2])
            edges[link.target[2]].add(link.source[2])
        # A tree: all events connected by one link fewer.
        assert len(one.links) == len(one.events) - 1
        assert reach(edges, one.events[0].offset) == {e.offset for e in one.events}


def reach(near: dict[Any, set[Any]], start: Any) -> set[Any]:
    seen, ahead = {start}, [start]
    while ahead:
        for other in near[ahead.pop()] - seen:
            seen.add(other)
            ahead.append(other)
    return seen
