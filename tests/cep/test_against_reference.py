"""The automaton against the brute-force reference, on patterns and events drawn at random."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.oracles.sequence_matches import PlainStep, after_skip, all_matches

from summit.base.errors import Invalid
from summit.cep.moves import Automaton
from summit.cep.program import Program
from summit.cep.releasing import Skip
from summit.cep.runs import new_key
from summit.cep.steps import Step
from summit.keyed.captured import Captured, Origin

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
def patterns(draw: st.DrawFn) -> list[PlainStep]:
    return draw(st.lists(plain_steps | loops | negatives, min_size=1, max_size=4))


def to_steps(plain: list[PlainStep]) -> list[Step]:
    return [
        Step(
            f"s{index}",
            step.relation,  # type: ignore[arg-type]
            step.times_min,
            step.times_max,
            step.contiguity,  # type: ignore[arg-type]
            step.optional,
        )
        for index, step in enumerate(plain)
    ]


def overlap_of_negatives(plain: list[PlainStep], masks: list[int]) -> list[int]:
    """Events of a forbidden step satisfy no other: the reference leaves that case open."""
    forbidden = [index for index, step in enumerate(plain) if step.negative]
    cleaned = []
    for mask in masks:
        first = next((bit for bit in forbidden if mask >> bit & 1), None)
        cleaned.append(mask if first is None else 1 << first)
    return cleaned


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_same_matches_in_the_same_order(data: st.DataObject) -> None:
    plain = data.draw(patterns())
    within = data.draw(st.sampled_from([None, 3, 6]))
    try:
        automaton = Automaton(to_steps(plain), within)
    except Invalid:
        return
    if any(one.times_max != 1 and two.negative for one, two in pairwise(plain)):
        return  # a forbidden event also ends the loop before it; the Flink cases cover that
    if plain[-1].negative:
        return  # an absence at the end is a matter of timers, see test_flink_cases
    bits = (1 << len(plain)) - 1
    masks = data.draw(st.lists(st.integers(0, bits), min_size=1, max_size=7))
    masks = overlap_of_negatives(plain, masks)
    gaps = data.draw(st.lists(st.integers(0, 2), min_size=len(masks), max_size=len(masks)))
    times = [sum(gaps[: index + 1]) for index in range(len(masks))]
    kind = data.draw(st.sampled_from(SKIPS))
    step = data.draw(st.integers(0, len(plain) - 1))
    expected = after_skip(all_matches(plain, masks, times, within), kind, step)

    program = Program(automaton, within, skip=Skip(kind, step))  # type: ignore[arg-type]
    key = new_key()
    found = []
    for index, mask in enumerate(masks):
        program.expire(key, times[index])
        event = Captured(0, times[index], times[index], ORIGIN, index, None, b"")
        for run in program.advance(key, event, mask):
            taken = run.captures
            found.append(tuple((taken[n], taken[n + 1].offset) for n in range(0, len(taken), 2)))
    assert Counter(found) == Counter(expected)
    assert found == expected
