"""Keys at rest, held to one dictionary."""

from __future__ import annotations

import random

import pytest

from summit.keyed.keys import Key
from summit.keyed.packed_keys import PackedKeys


@pytest.mark.parametrize("seed", range(50))
def test_they_are_a_dictionary_that_keeps_the_order(seed: int) -> None:
    rand = random.Random(seed)
    packed, plain = PackedKeys(), dict[Key, bytes]()
    keys: list[Key] = [*(f"k{n}" for n in range(40)), *((n, "number") for n in range(40)), ()]
    for _ in range(rand.randrange(400)):
        key = rand.choice(keys)
        if rand.random() < 0.6:
            data = rand.randbytes(rand.randrange(9))
            plain.pop(key, None)
            plain[key] = packed[key] = data
        else:
            assert packed.pop(key) == plain.pop(key, None)
        assert (len(packed), key in packed, packed.get(key)) == (
            len(plain), key in plain, plain.get(key)
        )  # fmt: skip
    assert list(packed.oldest()) == list(plain)
    assert set(packed) == set(plain)
