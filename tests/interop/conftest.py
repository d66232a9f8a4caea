"""One broker process per durability mode, shared by the tests of a module."""

from __future__ import annotations

import gc
import warnings
from collections.abc import Iterator
from uuid import uuid4

import pytest
from tests.interop.processes import BrokerProcess


def pytest_sessionfinish() -> None:
    """kafka-python leaves sockets to the collector, some until the end: that is not our leak."""
    warnings.simplefilter("ignore", ResourceWarning)
    gc.collect()


@pytest.fixture(scope="module", params=["fsync", "interval", "os"])
def each_durability(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[BrokerProcess]:
    """A broker in each of the three durability modes."""
    path = tmp_path_factory.mktemp("broker")
    with BrokerProcess(str(path), durability=request.param, num_partitions=4) as broker:
        yield broker


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BrokerProcess]:
    """A broker as it is by default."""
    path = tmp_path_factory.mktemp("broker")
    with BrokerProcess(str(path), num_partitions=4) as process:
        yield process


@pytest.fixture
def topic() -> str:
    """A name that no other test uses; the topic is made by the first who asks for it."""
    return f"topic-{uuid4().hex[:12]}"


@pytest.fixture
def group() -> str:
    """A group id that no other test uses."""
    return f"group-{uuid4().hex[:12]}"
