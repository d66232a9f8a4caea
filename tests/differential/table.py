"""Every module of scenarios, and the settings that both brokers get, to be comparable."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from tests.differential.scenarios import (
    cluster,
    configs,
    consumers,
    fetch,
    groups,
    offsets,
    offsets_in_logs,
    produce,
    topics,
    transactions,
)
from tests.differential.side import Side

from summit.broker import BrokerSettings

Scenario = Callable[[Side], None]

MODULES: Final[dict[str, dict[str, Scenario]]] = {
    "produce": produce.SCENARIOS,
    "fetch": fetch.SCENARIOS,
    "offsets_in_logs": offsets_in_logs.SCENARIOS,
    "groups": groups.SCENARIOS,
    "consumers": consumers.SCENARIOS,
    "offsets": offsets.SCENARIOS,
    "topics": topics.SCENARIOS,
    "configs": configs.SCENARIOS,
    "transactions": transactions.SCENARIOS,
    "cluster": cluster.SCENARIOS,
}

KAFKA: Final = {
    "auto.create.topics.enable": "true",
    "group.initial.rebalance.delay.ms": "0",
    "group.min.session.timeout.ms": "100",
    "num.partitions": "4",
    "offsets.topic.num.partitions": "1",
    "transaction.state.log.num.partitions": "1",
}


def BROKER(directory: str) -> BrokerSettings:
    """The settings of our broker: those of KAFKA above."""
    return BrokerSettings(
        port=0,
        data_dir=directory,
        durability="os",
        auto_create_topics=True,
        num_partitions=4,
        default_replication_factor=1,
        group_min_session_timeout_ms=100,
    )
