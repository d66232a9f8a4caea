"""The assignors: complete, balanced, sticky; and the same group is assigned alike."""

from __future__ import annotations

import random
import uuid

import pytest

from summit.broker.groups.assignors import ASSIGNORS, Assigned, Reader, range_, uniform

TOPICS = [uuid.UUID(int=i + 1) for i in range(6)]
A, B = TOPICS[:2]


def readers(topics: dict[str, set[uuid.UUID]], holds: Assigned | None = None) -> dict[str, Reader]:
    return {
        name: Reader(("", name), frozenset(each), (holds or {}).get(name, frozenset()))
        for name, each in topics.items()
    }


def test_range_gives_neighbours_and_the_first_the_odd_ones() -> None:
    found = range_(readers({"b": {A, B}, "a": {A, B}, "c": {B}}), {A: 5, B: 3})
    assert found == {
        "a": {(A, 0), (A, 1), (A, 2), (B, 0)},
        "b": {(A, 3), (A, 4), (B, 1)},
        "c": {(B, 2)},
    }


def test_uniform_takes_only_what_balance_needs() -> None:
    before = uniform(readers({"a": {A}}), {A: 6})
    after = uniform(readers({"a": {A}, "b": {A}, "c": {A}}, before), {A: 6})
    assert {name: len(share) for name, share in after.items()} == {"a": 2, "b": 2, "c": 2}
    assert after["a"] < before["a"]


def test_uniform_pushes_partitions_along() -> None:
    """a reads A, b reads both, c reads B: a's gain of A must reach c through b."""
    holds = {"b": frozenset((A, i) for i in range(6)), "c": frozenset[tuple[uuid.UUID, int]]()}
    found = uniform(readers({"a": {A}, "b": {A, B}, "c": {B}}, holds), {A: 6, B: 3})
    assert sorted(len(share) for share in found.values()) == [3, 3, 3]


@pytest.mark.parametrize("seed", range(40))
def test_any_group(seed: int) -> None:
    chance = random.Random(seed)
    sizes = {topic: chance.randrange(9) for topic in TOPICS[: chance.randint(1, 6)]}
    names = [f"m{i}" for i in range(chance.randint(1, 7))]
    every = set(sizes)
    same = chance.random() < 0.5
    wanted = {
        name: every if same else {t for t in sizes if chance.random() < 0.6} for name in names
    }
    for assign in ASSIGNORS.values():
        holds: Assigned = {}
        for _ in range(4):
            group = readers({name: wanted[name] for name in names}, holds)
            found = assign(group, sizes)
            check_complete(group, sizes, found)
            assert assign(dict(reversed(group.items())), sizes) == found, "depends on the order"
            if assign is uniform:
                check_balanced(group, found)
                settled = readers({name: wanted[name] for name in names}, found)
                assert uniform(settled, sizes) == found, "moves without need"
            holds = found
            names = chance.sample(names, chance.randint(1, len(names)))  # some leave
            if chance.random() < 0.5:
                sizes = {topic: size + chance.randrange(3) for topic, size in sizes.items()}


def check_complete(group: dict[str, Reader], sizes: dict[uuid.UUID, int], found: Assigned) -> None:
    assert found.keys() == group.keys()
    given = [place for share in found.values() for place in share]
    readable = {
        (topic, i) for topic, size in sizes.items() for i in range(size)
        if any(topic in reader.topics for reader in group.values())
    }  # fmt: skip
    assert len(given) == len(set(given)), "read twice"
    assert set(given) == readable
    for name, share in found.items():
        assert all(topic in group[name].topics for topic, _ in share)


def check_balanced(group: dict[str, Reader], found: Assigned) -> None:
    """No member could give one of its partitions to a member with at least two fewer."""
    for giver, share in found.items():
        for taker, other in found.items():
            if len(share) >= len(other) + 2:
                assert not any(topic in group[taker].topics for topic, _ in share), (giver, taker)
