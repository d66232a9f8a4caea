"""One running system per module."""

from collections.abc import Iterator

import pytest
from tests.system.running import Running


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    data = tmp_path_factory.mktemp("system") / "data"
    with Running("up", "--port", "0", "--data-dir", str(data), "--workers", "1") as running:
        yield running
