"""A live broker for the tests of this folder; each test has its own data."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from summit.broker import BrokerSettings, BrokerThread


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[list[str]]:
    """The address of a fresh broker on a thread of its own."""
    broker = BrokerThread(BrokerSettings(port=0, data_dir=str(tmp_path / "data"), durability="os"))
    broker.start()
    yield [f"127.0.0.1:{broker.port}"]
    broker.stop()


@pytest.fixture(params=["embedded", pytest.param("cluster", marks=pytest.mark.cluster)])
def each_backend(request: pytest.FixtureRequest) -> list[str]:
    """The addresses of a fresh broker, then those of a cluster without topics."""
    name = "servers" if request.param == "embedded" else "clean_cluster"
    found: list[str] = request.getfixturevalue(name)
    return found
