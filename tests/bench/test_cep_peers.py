"""Our half of the comparison with Flink: the workloads on few events, against a closed form."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from bench.cep.peers import WORKLOADS, in_order, ours
from bench.cep.w1_data import generate

EVENTS = 20_000


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("peers")
    values = generate(EVENTS).values
    (made / "disorder").write_bytes(b"\n".join(values) + b"\n")
    (made / "order").write_bytes(b"\n".join(in_order(values)) + b"\n")
    return made


def test_order_and_disorder_give_the_same_as_the_closed_form(folder: Path) -> None:
    expected = Counter(user for user, _, _ in generate(EVENTS).expected)
    for name, file in (("kleene", "order"), ("disorder", "disorder")):
        _, found = ours(folder / file, name)
        assert Counter(line.split("|")[1] for line in found.elements()) == expected
        assert expected


@pytest.mark.parametrize("name", WORKLOADS)
def test_a_match_is_a_line(name: str, folder: Path) -> None:
    _, found = ours(folder / "order", name)
    assert found
    for line in found:
        mark, key, events = line.split("|")
        assert mark == "M"
        assert key
        assert events.startswith("a:")
        assert ("b:" in events) == (name != "absence")
