"""kafka-python, unmodified, against our broker."""

from __future__ import annotations

import importlib.util
import subprocess
import sys

import pytest
from tests.interop.processes import BrokerProcess

pytestmark = pytest.mark.interop

LIBRARIES = {"snappy": "snappy", "lz4": "lz4", "zstd": "zstandard"}


def play(scenario: str, broker: BrokerProcess, topic: str, group: str, *arguments: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.interop.kafka_python_scenarios", scenario,
         broker.address, topic, group, *arguments],
        capture_output=True, text=True, timeout=180, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-4000:]


@pytest.mark.parametrize("codec", ["none", "gzip", "snappy", "lz4", "zstd"])
def test_every_codec_goes_through(
    broker: BrokerProcess, topic: str, group: str, codec: str
) -> None:
    if codec in LIBRARIES and importlib.util.find_spec(LIBRARIES[codec]) is None:
        pytest.skip(f"the client's library for {codec} is not installed")
    play("every_codec_goes_through", broker, topic, group, codec)


def test_idempotent_produce_commit_and_resume(
    each_durability: BrokerProcess, topic: str, group: str
) -> None:
    play("idempotent_produce_commit_and_resume", each_durability, topic, group)


@pytest.mark.parametrize(
    "scenario", ["two_members_share_and_rebalance", "positions_and_times", "admin"]
)
def test_scenario(broker: BrokerProcess, topic: str, group: str, scenario: str) -> None:
    play(scenario, broker, topic, group)
