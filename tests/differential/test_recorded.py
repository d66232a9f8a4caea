"""Our broker against what Apache Kafka answered when it was asked the same: every difference is
explained, or it is a mistake. `make differential` asks both anew."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.differential.compare import differences, load, told
from tests.differential.explained import EXPLAINED, unexplained, unused
from tests.differential.run import answers_of, our_broker
from tests.differential.table import MODULES

from summit.broker import BrokerThread


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BrokerThread]:
    """A broker with the settings that Kafka had."""
    with our_broker(str(tmp_path_factory.mktemp("broker"))) as thread:
        yield thread


def test_every_difference_is_explained_and_every_explanation_is_needed(
    broker: BrokerThread,
) -> None:
    found = []
    for module, scenarios in MODULES.items():
        recorded = load(module)
        assert recorded.keys() == scenarios.keys(), f"record {module} anew"
        for name, scenario in scenarios.items():
            assert sum(map(len, recorded[name].values())) > 3, f"{name} asks nothing"
            ours = answers_of(broker.host, broker.port, name, scenario)
            found += differences(name, recorded[name], ours)
    assert not list(told(unexplained(found)))
    assert not unused(found), "an explanation without its difference"
    assert len(found) > len(EXPLAINED)
