"""A small run of `killing.py`: snapshot, stream, broker and server, all killed, nothing lost."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.ingest.database import process_kills
from tests.ingest.database.killing import run


@pytest.mark.slow
@pytest.mark.timeout(280)
def test_nothing_is_lost_or_doubled(tmp_path: Path) -> None:
    seen = run(tmp_path, rows=2_000, rounds=5, seed=5, chunk=100)
    assert seen["snapshots"] >= 2, "no snapshot was broken off"
    assert set(seen["killed"].values()) >= {1}
    assert {"r", "c", "u", "d"} <= set(seen["ops"])


@pytest.mark.slow
@pytest.mark.timeout(280)
@pytest.mark.parametrize("kind", ["sqlite", "mysql"])
def test_nothing_is_lost_or_doubled_by_kills_of_the_process(tmp_path: Path, kind: str) -> None:
    seen = process_kills.run(tmp_path, kind=kind, rows=3_000, rounds=4, seed=3, chunk=300)
    assert seen["killed"] == {"collector": 3, "broker": 1}
    assert {"r", "u"} <= set(seen["ops"])
