"""A small run of `killing.py`: snapshot, stream, broker and server, all killed, nothing lost."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.ingest.database.killing import run


@pytest.mark.slow
@pytest.mark.timeout(280)
def test_nothing_is_lost_or_doubled(tmp_path: Path) -> None:
    seen = run(tmp_path, rows=2_000, rounds=5, seed=5, chunk=100)
    assert seen["snapshots"] >= 2, "no snapshot was broken off"
    assert set(seen["killed"].values()) >= {1}
    assert {"r", "c", "u", "d"} <= set(seen["ops"])
