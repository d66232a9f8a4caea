"""The automaton against the brute-force reference, on patterns and events drawn at random."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, NamedTuple

from hypothesis import assume, given, settings
from hypothesis import strategies as st
from tests.oracles.sequence_matches import (
    Labelling,
    PlainStep,
    after_skip,
    all_matches,
    all_timeouts,
    all_unordered,
    least_events,
    leaves,
)

from summit.base.errors import Invalid
from summit.cep.moves import Automaton
from summit.cep.program import Program
from summit.cep.releasing import Release, Skip
from summit.cep.runs import Run, new_key
from summit.cep.state import STATE_VERSION, dump_key, load_key
from summit.cep.steps import Step
from summit.documents.plan import Span
from summit.keyed.captured import Captured, Origin, Origins

ORIGIN = Origin("t", 0)
SKIPS = ("noSkip", "toNext", "pastLast", "toFirst", "toLast")

plain_steps = st.builds(
    PlainStep,
    relation=st.sampled_from(["next", "followedBy", "followedByAny"]),
    times_min=st.just(1),
    times_max=st.just(1),
    contiguity=st.just("relaxed"),
    optional=st.booleans(),
)
loops = st.builds(
    lambda relation, low, extra, contiguity, optional: PlainStep(
        relation, low, None if extra is None else low + extra, contiguity, optional
    ),
    st.sampled_from(["next", "followedBy", "followedByAny"]),
    st.integers(1, 3),
    st.sampled_from([None, 0, 1, 2]),
    st.sampled_from(["strict", "relaxed", "any"]),
    st.booleans(),
)
negatives = st.builds(PlainStep, relation=st.sampled_from(["notNext", "notFollowedBy"]))


@st.composite
def groups(draw: st.DrawFn, depth: int = 0) -> PlainStep:
    inner = plain_steps | loops | negatives
    if depth < 1:
        inner = inner | groups(depth=depth + 1)
    low = draw(st.integers(1, 2))
    extra = draw(st.sampled_from([None, 0, 0, 1]))
    return PlainStep(
        draw(st.sampled_from(["next", "followedBy", "followedByAny"])),
        low,
        None if extra is None else low + extra,
        draw(st.sampled_from(["strict", "relaxed", "any"])),
        draw(st.booleans()),
        tuple(draw(st.lists(inner, min_size=1, max_size=3))),
    )


@st.composite
def patterns(draw: st.DrawFn) -> list[PlainStep]:
    return draw(st.lists(plain_steps | loops | negatives, min_size=1, max_size=4))


@st.composite
def grouped(draw: st.DrawFn) -> list[PlainStep]:
    return draw(st.lists(plain_steps | loops | negatives | groups(), min_size=1, max_size=3))


def to_steps(plain: Sequence[PlainStep], prefix: str = "s") -> list[Step]:
    return [
        Step(
            f"{prefix}{index}",
            step.relation,  # type: ignore[arg-type]
            step.times_min,
            step.times_max,
            step.contiguity,  # type: ignore[arg-type]
            step.optional,
            group=tuple(to_steps(step.group, f"{prefix}{index}-")),
        )
        for index, step in enumerate(plain)
    ]


def overlap_of_negatives(plain: list[PlainStep], masks: list[int]) -> list[int]:
    """Events of a forbidden step satisfy no other: the reference leaves that case open."""
    forbidden = [index for index, step in enumerate(leaves(plain)) if step.negative]
    cleaned = []
    for mask in masks:
        first = next((bit for bit in forbidden if mask >> bit & 1), None)
        cleaned.append(mask if first is None else 1 << first)
    return cleaned


def is_open(plain: Sequence[PlainStep]) -> bool:
    """Whether the reference says nothing of it.

    A forbidden event also ends the loop before it; the Flink cases cover that.
    """
    return any(one.times_max != 1 and two.negative for one, two in pairwise(plain)) or any(
        is_open(step.group) for step in plain
    )


class Case(NamedTuple):
    """A pattern, its automaton, and events."""

    plain: list[PlainStep]
    automaton: Automaton
    within: int | None
    masks: list[int]
    times: list[int]


def draw_case(
    data: st.DataObject,
    plain: list[PlainStep],
    within: int | None,
    *,
    ordered: bool = True,
) -> Case:
    try:
        automaton = Automaton(to_steps(plain), within, ordered=ordered)
    except Invalid:
        assume(False)
    assume(not is_open(plain))
    assume(not plain[-1].negative)  # an absence at the end is a matter of timers, see Flink's cases
    bits = (1 << len(leaves(plain))) - 1
    masks = data.draw(st.lists(st.integers(0, bits), min_size=1, max_size=7))
    masks = overlap_of_negatives(plain, masks)
    gaps = data.draw(st.lists(st.integers(0, 2), min_size=len(masks), max_size=len(masks)))
    times = [sum(gaps[: index + 1]) for index in range(len(masks))]
    return Case(plain, automaton, within, masks, times)


def run_program(
    case: Case, skip: Skip, *, dumped: bool = False, **release: Any
) -> tuple[list[Labelling], list[Labelling]]:
    """Matches, and the time-outs that are told.

    Args:
        dumped: Save and load the key's state behind every event.
    """
    rules = Release(skip, **release, held_max=1_000)
    program = Program(case.automaton, Span(case.within), release=rules, exact=True)
    key, origins = new_key(), Origins()
    found: list[Run] = []
    told: list[Run] = []
    for index, mask in enumerate(case.masks):
        time = case.times[index]
        matches, timeouts = program.expire(key, time)
        told += program.release.timed_out(key, timeouts)
        event = Captured(0, time, time, ORIGIN, index, None, b"")
        found += matches + program.advance(key, event, mask)
        if dumped:
            key = load_key(dump_key(key), STATE_VERSION, origins)
    matches, timeouts = program.expire(key, 1 << 40)
    found += matches
    told += program.release.timed_out(key, timeouts)
    assert program.release.early == 0
    return list(map(labels, found)), list(map(labels, told))


def labels(run: Run) -> Labelling:
    taken = run.captures
    return tuple((taken[n], taken[n + 1].offset) for n in range(0, len(taken), 2))


@settings(max_examples=400, deadline=None)
@given(data=st.data(), dumped=st.booleans())
def test_same_matches_in_the_same_order(data: st.DataObject, dumped: bool) -> None:
    plain = data.draw(patterns() | grouped())
    case = draw_case(data, plain, data.draw(st.sampled_from([None, 3, 6])))
    kind = data.draw(st.sampled_from(SKIPS))
    step = data.draw(st.integers(0, len(leaves(plain)) - 1))
    emit = data.draw(st.sampled_from(["all", "all", "first"]))
    matches = all_matches(plain, case.masks, case.times, case.within)
    expected = after_skip(matches, kind, step, emit=emit)
    found, _ = run_program(case, Skip(kind, step), emit=emit, dumped=dumped)
    assert Counter(found) == Counter(expected)
    assert found == expected


@settings(max_examples=300, deadline=None)
@given(data=st.data(), dumped=st.booleans())
def test_matches_that_wait_for_others(data: st.DataObject, dumped: bool) -> None:
    plain = data.draw(patterns() | grouped())
    case = draw_case(data, plain, data.draw(st.sampled_from([3, 6])))
    kind = data.draw(st.sampled_from(SKIPS))
    step = data.draw(st.integers(0, len(leaves(plain)) - 1))
    emit = data.draw(st.sampled_from(["all", "longest"]))
    matches = all_matches(plain, case.masks, case.times, case.within)
    in_order = kind != "noSkip"
    expected = after_skip(matches, kind, step, emit=emit, in_order=in_order)
    found, _ = run_program(
        case, Skip(kind, step), emit=emit, strict_order=emit == "all", dumped=dumped
    )
    assert Counter(found) == Counter(expected)
    if in_order:
        assert found == expected


@settings(max_examples=200, deadline=None)
@given(data=st.data(), dumped=st.booleans())
def test_time_outs(data: st.DataObject, dumped: bool) -> None:
    plain = data.draw(patterns() | grouped())
    assume(not any(leaf.negative for leaf in leaves(plain)))
    assume(least_events(plain) <= 4)
    within = data.draw(st.sampled_from([3, 6]))
    case = draw_case(data, plain, within)
    expected = all_timeouts(plain, case.masks, case.times, within)
    _, told = run_program(case, Skip("noSkip"), dumped=dumped)
    assert Counter(told) == Counter(expected)


@settings(max_examples=200, deadline=None)
@given(data=st.data(), dumped=st.booleans())
def test_steps_in_any_order(data: st.DataObject, dumped: bool) -> None:
    times = st.sampled_from([(1, 1), (1, 1), (2, 2), (1, 2), (1, None), (2, 3)])
    drawn = data.draw(st.lists(times, min_size=1, max_size=3))
    plain = [PlainStep(times_min=low, times_max=high) for low, high in drawn]
    case = draw_case(data, plain, data.draw(st.sampled_from([None, 3, 6])), ordered=False)
    kind = data.draw(st.sampled_from(SKIPS))
    step = data.draw(st.integers(0, len(plain) - 1))
    matches = all_unordered(plain, case.masks, case.times, case.within)
    expected = after_skip(matches, kind, step)
    found, _ = run_program(case, Skip(kind, step), dumped=dumped)
    assert Counter(found) == Counter(expected)
    assert found == expected
