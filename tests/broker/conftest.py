"""A live broker for the tests of this folder, on a thread of its own."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.broker.wire import Wire

from summit.broker import BrokerSettings, BrokerThread

_serial = itertools.count()


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BrokerThread]:
    """A broker with auto-creation, in `os` durability; shared by a module's tests."""
    path = tmp_path_factory.mktemp("broker")
    settings = BrokerSettings(
        port=0,
        data_dir=str(path),
        durability="os",
        auto_create_topics=True,
        num_partitions=4,
        group_min_session_timeout_ms=100,
    )
    thread = BrokerThread(settings)
    thread.start()
    yield thread
    thread.stop()


@pytest.fixture
def wire(broker: BrokerThread) -> Iterator[Wire]:
    """A raw connection to the shared broker."""
    with Wire(broker.port) as connection:
        yield connection


@pytest.fixture
def topic(wire: Wire) -> str:
    """A fresh topic of one partition."""
    name = f"topic-{next(_serial)}"
    assert wire.create_topic(name).error_code == 0
    return name


@pytest.fixture
def start_broker(tmp_path: Path) -> Iterator[Callable[..., BrokerThread]]:
    """Starts brokers on the test's own directory; stops those that still run."""
    started: list[BrokerThread] = []

    def start(**fields: Any) -> BrokerThread:
        files = fields.pop("files", None)
        on_failed = fields.pop("on_failed", None)
        fields.setdefault("port", 0)
        fields.setdefault("data_dir", str(tmp_path / "data"))
        fields.setdefault("durability", "os")
        thread = BrokerThread(BrokerSettings(**fields), files=files, on_failed=on_failed)
        thread.start()
        started.append(thread)
        return thread

    yield start
    for thread in started:
        thread.stop()
