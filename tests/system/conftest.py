"""One running system per module: with a broker of its own, then on a real cluster."""

from collections.abc import Iterator

import pytest
from tests.clusters import empty_cluster
from tests.system.running import Running


@pytest.fixture(
    scope="module", params=["embedded", pytest.param("cluster", marks=pytest.mark.cluster)]
)
def system(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Running]:
    options = ("up", "--port", "0", "--workers", "1")
    if request.param == "embedded":
        data = tmp_path_factory.mktemp("system") / "data"
        with Running(*options, "--data-dir", str(data)) as running:
            yield running
        return
    addresses = request.getfixturevalue("kafka_cluster")
    with (
        empty_cluster(addresses, request.getfixturevalue("run_directory")) as servers,
        Running(*options, "--bootstrap-servers", ",".join(servers)) as running,
    ):
        running.brokers = len(servers)
        yield running
