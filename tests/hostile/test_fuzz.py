"""Hostile bytes against a broker in process; `make fuzz` runs a million of them."""

from __future__ import annotations

import random

import pytest
from tests.hostile import batches
from tests.hostile.corpus import CORPUS
from tests.hostile.fuzz import MEMORY_BYTES, bounded_memory, case, run_cases
from tests.hostile.plausible import Known, apis
from tests.hostile.target import target

from summit.base.errors import SummitError
from summit.records import iter_records, validate_batch

_CORPUS_BYTES = 60 << 20  # what a bounded answer may take, beside twice the request


@pytest.mark.slow
@pytest.mark.parametrize("first", [0, 20_000, 30_000])
def test_the_broker_gets_over_it(first: int) -> None:
    run_cases(first, 700)


@pytest.mark.parametrize("name", list(CORPUS))
def test_what_was_found_once(name: str) -> None:
    data = CORPUS[name]()
    with target(1) as attacked:
        attacked.fill("open")
        with bounded_memory(True, _CORPUS_BYTES + 2 * len(data)):
            attacked.attack(data, random.Random(3))
        attacked.check_friend()


def test_every_api_is_attacked() -> None:
    known = Known()
    keys = {int.from_bytes(case(number, known)[4:6], "big") for number in range(1_500)}
    assert keys >= {api.key for api in apis()}


@pytest.mark.parametrize("codec", [1, 2, 3, 4])
def test_a_bomb_is_refused_in_bounded_memory(codec: int) -> None:
    bomb = batches.bomb(codec)
    assert len(bomb) < 5 << 20
    validate_batch(bomb)
    with bounded_memory(True, MEMORY_BYTES), pytest.raises(SummitError) as caught:
        list(iter_records(bomb))
    assert caught.value.code in ("batch.unfolds_too_large", "batch.unreadable")


def test_batches_that_lie_are_read_or_refused() -> None:
    chance = random.Random(11)
    refused = 0
    for _ in range(600):
        batch = batches.hostile(chance, producer_id=chance.choice([-1, 5]))
        try:
            validate_batch(batch)
            list(iter_records(batch))
        except SummitError:
            refused += 1
    assert 200 < refused < 590
