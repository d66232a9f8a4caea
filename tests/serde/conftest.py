"""A schema registry of one's own for every test that asks for it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.serde.registry_server import RegistryServer


@pytest.fixture
def server() -> Iterator[RegistryServer]:
    with RegistryServer() as running:
        yield running
