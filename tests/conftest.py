"""For all tests: how many run side by side, what chance they take, and a shared cluster."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from tests.clusters import empty_cluster, shared_cluster, stop_shared_cluster

# The same examples every time, so that a run says something of the change at hand. With
# SUMMIT_TEST_EXPLORE=1 hypothesis draws new ones.
settings.register_profile("same", derandomize=True, deadline=None)
settings.register_profile("explore", deadline=None)
settings.load_profile("explore" if os.environ.get("SUMMIT_TEST_EXPLORE") else "same")


def pytest_xdist_auto_num_workers(config: Any) -> int:
    """One more than there are processors: many tests wait for other processes most of the time."""
    del config
    return (os.cpu_count() or 1) + 1


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What needs the shared cluster may have to wait for its start, or for its turn."""
    for item in items:
        if item.get_closest_marker("cluster") and not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(400))


@pytest.fixture(scope="session")
def run_directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One directory for all processes of this test run."""
    return _run_directory(tmp_path_factory)


@pytest.fixture(scope="session")
def kafka_cluster(run_directory: Path) -> str:
    """The addresses of a real cluster of three brokers, shared by all tests of the run."""
    return shared_cluster(run_directory)


@pytest.fixture
def clean_cluster(kafka_cluster: str, run_directory: Path) -> Iterator[list[str]]:
    """The same without topics and groups, for this test alone."""
    with empty_cluster(kafka_cluster, run_directory) as servers:
        yield servers


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """The process that began the run ends what its workers have started."""
    if not hasattr(session.config, "workerinput"):
        factory = session.config._tmp_path_factory  # the only way to it outside a test
        stop_shared_cluster(_run_directory(factory))


def _run_directory(factory: pytest.TempPathFactory) -> Path:
    base = factory.getbasetemp()
    return base.parent if os.environ.get("PYTEST_XDIST_WORKER") else base
