"""What topics ask of batches: codec, times; small batches at once, large ones on a thread."""

from __future__ import annotations

import time
from typing import Any

import pytest
from tests.broker.wire import Wire, batch_of, produce_request, records_of

from summit.broker import BrokerThread
from summit.protocol import codes
from summit.protocol.produce import PRODUCE
from summit.records import CODEC_NUMBERS, parse_header

LARGE = [b"compressible " * 40] * 100
SMALL = [b"compressible " * 4] * 3


@pytest.mark.parametrize("values", [SMALL, LARGE], ids=["small", "large"])
@pytest.mark.parametrize("codec", ["gzip", "snappy", "lz4", "zstd", "uncompressed"])
def test_batches_are_stored_in_the_topics_codec(
    wire: Wire, codec: str, values: list[bytes]
) -> None:
    topic = f"in-{codec}-{len(values)}"
    assert wire.create_topic(topic, compression_type=codec).error_code == 0
    wanted = CODEC_NUMBERS.get(codec, 0)
    for sent in range(5):
        answer = wire.produce(topic, batch_of(*values, codec=sent))
        assert (answer.error_code, answer.base_offset) == (0, sent * len(values))
    for sent in range(5):
        part = wire.fetch(topic, sent * len(values), partition_max_bytes=1)
        assert parse_header(bytes(part.records)).codec == wanted
        assert [r.value for r in records_of(part.records)] == values


def test_producer_keeps_the_producers_codec(wire: Wire) -> None:
    wire.create_topic("as-sent")
    wire.produce("as-sent", batch_of(*SMALL, codec=4))
    assert parse_header(bytes(wire.fetch("as-sent", 0).records)).codec == 4


def test_requests_behind_a_large_one_keep_their_order(wire: Wire) -> None:
    """An idempotent producer sends large and small batches without waiting for answers."""
    wire.create_topic("ordered", compression_type="gzip")
    sequence = 0
    sent: list[tuple[int, int]] = []
    for number in range(12):
        values = LARGE if number % 3 == 0 else SMALL
        batch = batch_of(*values, producer_id=5, producer_epoch=0, base_sequence=sequence)
        sent.append((wire.send(PRODUCE, 9, produce_request("ordered", batch)), sequence))
        sequence += len(values)
    for correlation_id, base in sent:
        answer = wire.receive(PRODUCE, 9, correlation_id).topics[0].partitions[0]
        assert (answer.error_code, answer.base_offset) == (0, base)


def test_without_answers_too(wire: Wire) -> None:
    wire.create_topic("unanswered", compression_type="lz4")
    wire.produce("unanswered", batch_of(*LARGE), acks=0)
    wire.produce("unanswered", batch_of(*SMALL), acks=0)
    deadline = time.monotonic() + 90
    while len(found := wire.fetch_values("unanswered")) < 103 and time.monotonic() < deadline:
        pass
    assert found == LARGE + SMALL


def test_what_was_sent_before_hanging_up_is_kept(wire: Wire, broker: BrokerThread) -> None:
    wire.create_topic("hung-up", compression_type="gzip")
    with Wire(broker.port) as other:
        other.produce("hung-up", batch_of(*LARGE), acks=0)
    deadline = time.monotonic() + 90
    while len(found := wire.fetch_values("hung-up")) < 100 and time.monotonic() < deadline:
        pass
    assert found == LARGE


def test_a_large_batch_that_is_broken(wire: Wire) -> None:
    wire.create_topic("broken", compression_type="zstd")
    batch = bytearray(batch_of(*LARGE))
    batch[-1] ^= 1
    assert wire.produce("broken", bytes(batch)).error_code == codes.CORRUPT_MESSAGE
    assert wire.produce("broken", batch_of(*LARGE)).error_code == 0


def test_times_too_far_from_now(wire: Wire) -> None:
    now_ms = int(time.time() * 1000)
    hour = 3_600_000
    wire.create_topic("timed", message_timestamp_before_max_ms=str(hour))
    cases = [
        (now_ms - 2 * hour, codes.INVALID_TIMESTAMP),
        (now_ms - hour // 2, codes.NONE),
        (now_ms + hour // 2, codes.NONE),
        (now_ms + 2 * hour, codes.INVALID_TIMESTAMP),
    ]
    for first_ms, expected in cases:
        assert wire.produce("timed", batch_of(b"x", first_ms=first_ms)).error_code == expected
    wire.create_topic("far", message_timestamp_after_max_ms=str(3 * hour))
    assert wire.produce("far", batch_of(b"x", first_ms=now_ms + 2 * hour)).error_code == 0
    wire.create_topic(
        "arrival", message_timestamp_type="LogAppendTime", message_timestamp_before_max_ms="1"
    )
    assert wire.produce("arrival", batch_of(b"x", first_ms=now_ms + 9 * hour)).error_code == 0


def test_settings_last_over_a_restart(start_broker: Any) -> None:
    broker = start_broker()
    with Wire(broker.port) as wire:
        wire.create_topic("kept", compression_type="lz4")
    broker.stop()
    with Wire(start_broker().port) as wire:
        wire.produce("kept", batch_of(*SMALL))
        assert parse_header(bytes(wire.fetch("kept", 0).records)).codec == 3
