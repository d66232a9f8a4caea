"""Two empty clusters to move between: both embedded, or one of them a real one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from summit.broker import BrokerSettings, BrokerThread


def broker(path: Path) -> BrokerThread:
    return BrokerThread(
        BrokerSettings(
            port=0, data_dir=str(path), durability="os", group_min_session_timeout_ms=100
        )
    )


@pytest.fixture
def here(tmp_path: Path) -> Iterator[list[str]]:
    """An embedded broker."""
    made = broker(tmp_path / "here")
    made.start()
    yield [f"127.0.0.1:{made.port}"]
    made.stop()


@pytest.fixture
def there(tmp_path: Path) -> Iterator[list[str]]:
    """Another embedded broker."""
    made = broker(tmp_path / "there")
    made.start()
    yield [f"127.0.0.1:{made.port}"]
    made.stop()


@pytest.fixture(params=["to embedded", pytest.param("to cluster", marks=pytest.mark.cluster)])
def target(request: pytest.FixtureRequest) -> list[str]:
    """Where to: an embedded broker, then a real cluster."""
    name = "there" if request.param == "to embedded" else "clean_cluster"
    found: list[str] = request.getfixturevalue(name)
    return found
