"""A sample of the same hostile bytes over TCP, against a broker as programs run it."""

from __future__ import annotations

import contextlib
import random
import socket

import pytest
from tests.broker.wire import Wire, batch_of
from tests.hostile.corpus import CORPUS
from tests.hostile.fuzz import case
from tests.hostile.plausible import TOPICS, Known
from tests.interop.processes import BrokerProcess

pytestmark = [pytest.mark.slow]

CASES = 500


def test_a_real_broker_gets_over_it(tmp_path: object) -> None:
    """It stays up, answers others in between, and ends cleanly."""
    with BrokerProcess(str(tmp_path), durability="os", auto_create_topics="false") as broker:
        with Wire(broker.port) as friend:
            for name in (*TOPICS, "kept"):
                assert friend.create_topic(name).error_code == 0
            known = Known(topic_ids=[t.topic_id for t in friend.metadata(*TOPICS).topics])
            kept: list[bytes] = []
            attacks = [case(number, known) for number in range(900_000, 900_000 + CASES)]
            attacks += [make() for make in CORPUS.values()]
            for number, data in enumerate(attacks):
                attack(broker.port, data, random.Random(number))
                if number % 25 == 0:
                    kept.append(b"%d" % number)
                    assert friend.produce("kept", batch_of(kept[-1])).error_code == 0
            assert friend.fetch_values("kept") == kept
        assert broker.stop() == 0


def attack(port: int, data: bytes, chance: random.Random) -> None:
    """Send, read a little, and go: with a goodbye, without, or with a reset."""
    with (
        socket.create_connection(("127.0.0.1", port), 10) as link,
        contextlib.suppress(OSError),  # it hung up on us
    ):
        link.sendall(data)
        how = chance.choice(["end", "reset", "close"])
        if how == "reset":
            link.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        elif how == "end":
            link.shutdown(socket.SHUT_WR)
            link.settimeout(5)
            while link.recv(1 << 16):
                pass
