"""Compacted topics through the broker: what is refused, what readers see, what restarts keep."""

from __future__ import annotations

import time
from typing import Any

import pytest
from tests.broker.test_set_configs import described, set_configs
from tests.broker.wire import Wire, batch_of, fetch_request, records_of

from summit.broker import Broker
from summit.protocol import codes
from summit.protocol.fetch import FETCH
from summit.records import Record, build_batch, parse_header, split_batches

QUICK = {"log_cleaner_backoff_ms": 50, "checkpoint_interval_ms": 50}
SMALL = {
    "cleanup_policy": "compact",
    "segment_bytes": "2048",
    "min_cleanable_dirty_ratio": "0.01",
}


def keyed(*pairs: tuple[str, str | None], codec: int = 0) -> bytes:
    now_ms = int(time.time() * 1000)
    records = [
        Record(0, now_ms, key.encode(), None if value is None else value.encode())
        for key, value in pairs
    ]
    return bytes(build_batch(records, codec=codec))


def read_table(wire: Wire, topic: str) -> tuple[dict[bytes, bytes], int]:
    """What a topic comes to, and how many records say it; goes over holes as a client does."""
    state: dict[bytes, bytes] = {}
    offset = count = 0
    while True:
        request = fetch_request([(topic, 0, offset)], partition_max_bytes=4096)
        part = wire.ask(FETCH, 12, request).topics[0].partitions[0]
        assert part.error_code == 0, part.error_code
        data = bytes(part.records or b"")
        if not data:
            assert offset == part.high_watermark
            return state, count
        for record in records_of(data):
            if record.offset >= offset:
                count += 1
                state[record.key or b""] = record.value or b""
        position, _ = split_batches(data)[-1]
        offset = parse_header(data, position).last_offset + 1


def wait_until_clean(wire: Wire, topic: str, records_max: int) -> dict[bytes, bytes]:
    deadline = time.monotonic() + 90
    while True:
        state, count = read_table(wire, topic)
        if count <= records_max or time.monotonic() > deadline:
            assert count <= records_max, count
            return state
        time.sleep(0.05)


@pytest.mark.parametrize("codec", ["producer", "zstd"])
def test_old_records_go_while_clients_write_and_read(start_broker: Any, codec: str) -> None:
    broker = start_broker(**QUICK)
    with Wire(broker.port) as wire:
        wire.create_topic("table", compression_type=codec, **SMALL)
        expected = {}
        for number in range(400):
            key, value = f"k{number % 10}", f"v{number}" + "." * 50
            expected[key.encode()] = value.encode()
            assert wire.produce("table", keyed((key, value))).error_code == 0
            if number % 50 == 0:
                read_table(wire, "table")
        assert wait_until_clean(wire, "table", 60) == expected
    broker.stop()
    with Wire(start_broker(**QUICK).port) as wire:
        state, count = read_table(wire, "table")
        assert state == expected
        assert count <= 60


def test_records_without_a_key_are_refused(wire: Wire) -> None:
    wire.create_topic("keys-only", cleanup_policy="compact")
    answer = wire.produce("keys-only", batch_of(b"no key"))
    assert answer.error_code == codes.INVALID_RECORD
    large = batch_of(*[b"x" * 100] * 400)
    assert wire.produce("keys-only", large).error_code == codes.INVALID_RECORD
    assert wire.produce("keys-only", keyed(("k", "v"), codec=3)).error_code == 0


@pytest.mark.parametrize("codec", [0, 3])
def test_the_records_to_blame_are_named(wire: Wire, codec: int) -> None:
    """A producer may send the others again."""
    name = f"blamed-{codec}"
    wire.create_topic(name, cleanup_policy="compact")
    records = [
        Record(offset=i, timestamp=1000, key=None if i % 3 == 1 else b"k", value=b"v", headers=())
        for i in range(10)
    ]
    batch = bytes(build_batch(records, codec=codec))
    answer = wire.produce(name, batch, version=8)
    assert answer.error_code == codes.INVALID_RECORD
    assert [each.batch_index for each in answer.record_errors] == [1, 4, 7]
    assert {each.batch_index_error_message for each in answer.record_errors} == {
        answer.error_message
    }
    assert wire.produce(name, batch, version=7).error_code == codes.INVALID_RECORD
    assert wire.fetch_values(name) == []


def test_a_topic_becomes_compacted_while_in_use(start_broker: Any) -> None:
    broker = start_broker(**QUICK)
    with Wire(broker.port) as wire:
        wire.create_topic("later", segment_bytes="2048")
        for number in range(200):
            wire.produce("later", keyed((f"k{number % 3}", "." * 50)))
        assert read_table(wire, "later")[1] == 200
        changed = {key: value for key, value in SMALL.items() if key != "cleanup_policy"}
        assert set_configs(broker, "later", cleanup_policy="compact,delete", **changed) is None
        wait_until_clean(wire, "later", 40)
        found = described(wire, "later")["cleanup.policy"]
        assert (found.value, found.config_source) == ("compact,delete", 1)


def test_a_stop_in_the_middle_of_a_cleaning(start_broker: Any) -> None:
    """A broker that is stopped at any time of a cleaning has the same records when it is back."""
    for turn in range(4):
        broker = start_broker(**QUICK)
        with Wire(broker.port) as wire:
            if turn == 0:
                wire.create_topic("stopped", **SMALL | {"segment_bytes": "65536"})
            for number in range(30):
                pairs = [(f"k{(number * 50 + i) % 900}", f"{turn}.{number}") for i in range(200)]
                wire.produce("stopped", keyed(*pairs))
            expected = read_table(wire, "stopped")[0]
            time.sleep(0.06 * turn)
        broker.stop()
        again = start_broker()
        with Wire(again.port) as wire:
            assert read_table(wire, "stopped")[0] == expected
        again.stop()


def test_the_loop_answers_while_a_cleaning_runs(start_broker: Any) -> None:
    broker = start_broker(checkpoint_interval_ms=50, log_cleaner_backoff_ms=200)
    inner: Broker = broker._broker
    with Wire(broker.port) as wire:
        wire.create_topic("busy", **SMALL | {"segment_bytes": "262144"})
        for number in range(60):
            wire.produce("busy", keyed(*[(f"k{(number + i) % 999}", "x" * 20) for i in range(500)]))
        assert inner._housekeeping is not None
        compactor = inner._housekeeping.compactor
        waits = []
        deadline = time.monotonic() + 90
        while compactor.cleaned_count == 0 and time.monotonic() < deadline:
            began = time.monotonic()
            wire.metadata("busy")
            waits.append(time.monotonic() - began)
        assert compactor.cleaned_count >= 1
        assert sorted(waits)[len(waits) // 2] < 0.02
