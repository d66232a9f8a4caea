"""What one seed stands for: settings, actors, weather, and how often what goes wrong."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Any

from tests.sim.world.network import Weather

from summit.broker import BrokerSettings

TOPICS: dict[str, tuple[int, dict[str, str]]] = {
    "plain": (3, {}),
    "txn": (2, {}),
    "grown": (1, {}),
    "trim": (2, {}),
    "short": (1, {"retention.bytes": "6000"}),
    "table": (
        2,
        {
            "cleanup.policy": "compact",
            "min.cleanable.dirty.ratio": "0.01",
            "delete.retention.ms": "500",
        },
    ),
}
_TROUBLES = (
    "kill", "power", "power in a call", "kill in a call", "stop", "full", "sync fails", "slow",
    "cut", "stall", "deaf", "clock",
)  # fmt: skip


@dataclass(slots=True)
class Plan:
    """One run.

    Attributes:
        troubles: What may go wrong, as often as it is listed.
        every_s: Seconds between two troubles, at least and at most.
        last_crash: What ends the run before the last look: "", "stop", "kill" or "power".
    """

    settings: dict[str, Any]
    weather: Weather
    seconds: float
    every_s: tuple[float, float]
    troubles: list[str]
    actors: dict[str, int]
    segment_bytes: int
    patience_s: float
    last_crash: str
    rewrite_records: int
    slowness: float = 1.0
    notes: list[str] = field(default_factory=list)

    def broker_settings(self) -> BrokerSettings:
        return BrokerSettings(
            host="10.0.0.1", insecure=True, port=9092, data_dir="/data", **self.settings
        )


def draw(chance: random.Random) -> Plan:
    """The plan of a seed."""
    durability = chance.choices(["fsync", "os", "interval"], [8, 1, 1])[0]
    troubles = [name for name in _TROUBLES if chance.random() < 0.6]
    if durability != "fsync":  # there a power cut may take what was acknowledged
        troubles = [name for name in troubles if "power" not in name and name != "sync fails"]
    is_stormy = chance.random() < 0.4
    weather = Weather(
        delay_us=(40, chance.choice([200, 2_000, 20_000])),
        spike_share=chance.choice([0.0, 0.01, 0.05]) if is_stormy else 0.0,
        spike_us=(20_000, chance.choice([500_000, 3_000_000, 12_000_000])),
        split_share=chance.choice([0.0, 0.1, 0.5]),
    )
    actors = {
        "plain": chance.randint(0, 1),
        "idempotent": chance.randint(1, 3),
        "newer": chance.randint(0, 2),
        "older": chance.randint(0, 2),
        "reader": chance.randint(1, 2),
        "committed reader": chance.randint(1, 2),
        "member": chance.choice([0, 2, 3]),
        "committer": chance.randint(0, 1),
        "maker": chance.randint(0, 1),
        "trimmer": chance.randint(0, 1),
        "changer": chance.randint(0, 1),
        "stranger": chance.randint(0, 1),
    }
    last = ["", "stop", "kill"] + (["power", "power"] if durability == "fsync" else [])
    return Plan(
        settings={
            "durability": durability,
            "flush_interval_ms": chance.choice([50, 500]),
            "wal_file_bytes": 64 << 10,
            "log_segment_bytes": 1 << 20,
            "log_retention_check_interval_ms": chance.choice([300, 2_000]),
            "log_cleaner_backoff_ms": chance.choice([100, 700]),
            "checkpoint_interval_ms": chance.choice([100, 1_000, 10_000]),
            "group_min_session_timeout_ms": 500,
            "group_initial_rebalance_delay_ms": chance.choice([0, 0, 100]),
            "request_queue_max": chance.choice([3, 1_000]),
            "num_partitions": 2,
            "default_replication_factor": 1,
        },
        weather=weather,
        seconds=chance.choice([4.0, 8.0, 15.0]),
        every_s=chance.choice([(0.05, 1.0), (0.3, 3.0), (2.0, 6.0)]),
        troubles=troubles,
        actors=actors,
        segment_bytes=chance.choice([1_024, 2_048, 16_384]),
        patience_s=chance.choice([0.5, 2.0, 6.0]),
        last_crash=chance.choice(last),
        rewrite_records=chance.choice([20, 50_000]),
        slowness=chance.choice([1.0, 1.0, 5.0]),
    )
