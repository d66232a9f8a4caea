"""Power cuts around the end of transactions: whole or not at all, and never taken back.

A broker on a disk in memory runs transactions over three topics and a group's offset. Copies of the
disk as a power cut would leave it (what was not synced survives in part or not at all) are taken
while a commit is on its way and right after its answer. A broker is started on each.
"""

from __future__ import annotations

import random
import time

import pytest
from tests.broker.test_groups_on_the_wire import committed
from tests.broker.transactions import TxnProducer, committed_values
from tests.broker.wire import Wire
from tests.interop.test_transactions import TOPICS, send_all, send_end, settled
from tests.sim.faulty_files import FaultyFiles

from summit.broker import BrokerSettings, BrokerThread
from summit.protocol import codes
from summit.protocol.end_txn import END_TXN


def start(files: FaultyFiles) -> BrokerThread:
    settings = BrokerSettings(port=0, data_dir="/data", durability="fsync", wal_file_bytes=1 << 20)
    thread = BrokerThread(settings, files=files)
    thread.start()
    return thread


def copy_of(files: FaultyFiles, chance: random.Random) -> FaultyFiles:
    """The disk after a power cut at this moment; the broker goes on with its own."""
    while True:
        try:
            keep = chance.choice(["none", "prefix", "subset", "all"])
            return FaultyFiles(root=files.root.survive(chance, keep, {}))
        except RuntimeError:  # it was being written to
            continue


@pytest.mark.parametrize("newer", [True, False], ids=["v2", "v1"])
@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
def test_the_decision_is_all_or_nothing(seed: int, newer: bool) -> None:
    chance = random.Random(seed)
    files = FaultyFiles(seed)
    broker = start(files)
    copies: list[tuple[FaultyFiles, int, int]] = []  # disk, at least, at most so many
    with Wire(broker.port) as wire:
        for topic in TOPICS:
            assert wire.create_topic(topic).error_code == codes.NONE
        for n in range(4):
            producer = TxnProducer(wire, "p", newer=newer)
            assert producer.init() == codes.NONE
            send_all(producer, b"%d" % n)
            copies.append((copy_of(files, chance), n, n))
            sent = send_end(producer)
            time.sleep(chance.random() * 0.002)
            copies.append((copy_of(files, chance), n, n + 1))
            assert wire.receive(END_TXN, 5 if newer else 3, sent).error_code == codes.NONE
            copies.append((copy_of(files, chance), n + 1, n + 1))
    broker.stop()
    for disk, least, most in copies:
        again = start(disk)
        with Wire(again.port) as wire:
            seen = settled(wire, TOPICS[0])
            assert seen in ([b"%d" % n for n in range(count)] for count in (least, most))
            for topic in TOPICS[1:]:
                settled(wire, topic)
                assert committed_values(wire, topic) == seen, "torn"
            offset = committed(wire, "killed-group", "txn-a").committed_offset
            assert offset == len(seen) - 1, "the offset goes with the data"
        again.stop()
