"""The pytest plugin, as somebody uses it who has installed Summit: found by its entry point."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

SUITE = """
import asyncio
import socket

import pytest
from confluent_kafka import Consumer, Producer

ADDRESSES = []


def test_records_go_in_and_out(summit_broker):
    ADDRESSES.append(summit_broker.address)
    producer = Producer({"bootstrap.servers": summit_broker.address})
    producer.produce("orders", "one")
    assert producer.flush(60) == 0
    group = {"group.id": "g", "auto.offset.reset": "earliest"}
    consumer = Consumer({"bootstrap.servers": summit_broker.address, **group})
    consumer.subscribe(["orders"])
    assert consumer.consume(1, 60)[0].value() == b"one"
    consumer.close()


def test_every_test_has_a_broker_of_its_own_and_the_one_before_is_gone(summit_broker):
    from summit.stream_processing import TopicManager

    async def names():
        async with TopicManager(summit_broker) as topics:
            return await topics.list_topics()

    assert asyncio.run(names()) == []
    host, port = ADDRESSES[0].split(":")
    if ADDRESSES[0] != summit_broker.address:
        with pytest.raises(OSError):
            socket.create_connection((host, int(port)), timeout=5)


def test_the_factory_makes_several(summit_broker_factory):
    one = summit_broker_factory(broker_id=1, auto_create_topics=False)
    two = summit_broker_factory(broker_id=2, num_partitions=6)
    assert one.address != two.address
    assert (one.config.auto_create_topics, two.config.num_partitions) == (False, 6)
    one.stop()
    assert two.is_running


@pytest.fixture(scope="module")
def shared_broker():
    from summit.stream_processing import EmbeddedBroker

    with EmbeddedBroker.in_memory() as broker:
        yield broker


def test_a_broker_for_a_whole_module(shared_broker):
    assert shared_broker.is_running


def test_it_is_still_there(shared_broker):
    assert shared_broker.is_running
"""


def run_pytest(where: Path, suite: str, *arguments: str) -> str:
    (where / "test_it.py").write_text(suite, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-W", "error", *arguments],
        cwd=where, capture_output=True, text=True, timeout=110, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_fixtures(tmp_path: Path) -> None:
    assert "5 passed" in run_pytest(tmp_path, SUITE)
    assert {path.name for path in tmp_path.iterdir()} <= {
        "test_it.py", "__pycache__", ".pytest_cache"
    }  # fmt: skip


def test_they_are_listed_with_what_they_do(tmp_path: Path) -> None:
    listed = run_pytest(tmp_path, "def test_nothing(): pass\n", "--fixtures")
    assert "summit_broker" in listed
    assert "A broker of the test's own" in listed


def test_a_suite_that_does_not_use_it_pays_nothing(tmp_path: Path) -> None:
    suite = (
        "import sys\n"
        "def test_nothing():\n"
        "    loaded = [name for name in sys.modules if name.startswith('summit')]\n"
        "    assert sorted(loaded) == ['summit', 'summit.pytest_plugin']\n"
    )
    run_pytest(tmp_path, suite)


def test_the_product_does_not_need_pytest() -> None:
    code = (
        "import sys; sys.modules['pytest'] = None; import summit.stream_processing as package\n"
        "with package.EmbeddedBroker.in_memory() as broker: assert broker.is_running\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
