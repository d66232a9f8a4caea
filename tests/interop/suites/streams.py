"""Kafka Streams, exactly once: two instances count words while they and the broker are killed.

Whatever dies, a reader of committed records must see 1, 2, 3, … for each word, and all of them.
"""

from __future__ import annotations

import random
import subprocess
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from confluent_kafka import Consumer, Producer
from confluent_kafka.admin import AdminClient, NewTopic
from tests.interop import jvm
from tests.interop.processes import BrokerProcess
from tests.interop.suites.rows import Row

WORDS = 20
PER_SECOND = 200


class Instance:
    """One process of the application, with a state directory of its own."""

    def __init__(self, number: int, broker: BrokerProcess, folder: Path) -> None:
        self._command = jvm.java(
            "StreamsCount", broker.address, "count", "words", "counts", str(folder / f"{number}")
        )
        self._log: IO[bytes] = (folder / f"instance-{number}.log").open("ab")
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self._process = subprocess.Popen(self._command, stdout=self._log, stderr=self._log)

    def end(self, *, gently: bool) -> None:
        assert self._process is not None
        if gently:
            self._process.terminate()
            try:
                self._process.wait(40)
                return
            except subprocess.TimeoutExpired:
                pass
        self._process.kill()
        self._process.wait()


class Words:
    """Words, produced in random order at a steady rate until told to stop."""

    def __init__(self, address: str, chance: random.Random) -> None:
        self.sent: Counter[str] = Counter()
        self.failed: list[str] = []
        self._chance = chance
        self._end = threading.Event()
        self._producer = Producer(
            {"bootstrap.servers": address, "enable.idempotence": True, "log_level": 0}
        )
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        while not self._end.wait(1 / PER_SECOND):
            word = f"word-{self._chance.randrange(WORDS)}"
            self._producer.produce("words", word, on_delivery=self._delivered)
            self.sent[word] += 1
            self._producer.poll(0)

    def _delivered(self, error: Any, _: Any) -> None:
        if error is not None:
            self.failed.append(str(error))

    def stop(self) -> None:
        self._end.set()
        self._thread.join()
        assert self._producer.flush(60) == 0


def read_counts(address: str, enough: int, timeout_s: float) -> dict[str, list[int]]:
    """The counts of each word, in order, until there are enough or nothing comes any more."""
    consumer = Consumer(
        {
            "bootstrap.servers": address,
            "group.id": "verifier",
            "auto.offset.reset": "earliest",
            "isolation.level": "read_committed",
            "enable.auto.commit": False,
            "log_level": 0,
        }
    )
    consumer.subscribe(["counts"])
    found: dict[str, list[int]] = {}
    quiet_s, count, begun = 10.0, 0, time.monotonic()
    last = begun + timeout_s - quiet_s
    while time.monotonic() - last < quiet_s:
        message = consumer.poll(1.0)
        if message is None or message.error() is not None:
            continue
        found.setdefault(message.key().decode(), []).append(int.from_bytes(message.value()))
        count += 1
        if count >= enough:
            last = min(last, time.monotonic() - quiet_s + 3)  # a look at whether more comes
    consumer.close()
    return found


def run(kills: int, seed: int = 1) -> Iterator[Row]:
    """One run with so many kills; a row that says whether every word was counted once."""
    chance = random.Random(seed)
    begun = time.monotonic()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        broker = BrokerProcess(str(folder / "broker"), num_partitions=4).start()
        admin = AdminClient({"bootstrap.servers": broker.address, "log_level": 0})
        for future in admin.create_topics([NewTopic("words", 4), NewTopic("counts", 4)]).values():
            future.result(10)
        instances = [Instance(number, broker, folder) for number in range(2)]
        for instance in instances:
            instance.start()
        words = Words(broker.address, chance)
        wait = threading.Event()
        try:
            wait.wait(10)
            for count in range(kills):
                wait.wait(chance.uniform(2, 6))
                if count % 3 == 2:
                    broker.kill()
                    broker.start()
                    continue
                victim = chance.choice(instances)
                victim.end(gently=chance.random() < 0.3)
                wait.wait(chance.uniform(0, 2))
                victim.start()
            words.stop()
            found = read_counts(broker.address, words.sent.total(), timeout_s=180)
        finally:
            for instance in instances:
                instance.end(gently=False)
            broker.stop()
        wrong = [
            f"{word}: {sent} sent, {len(found.get(word, []))} counts"
            for word, sent in words.sent.items()
            if found.get(word) != list(range(1, sent + 1))
        ]
        if wrong or words.failed:
            kept = Path(tempfile.mkdtemp(prefix="streams-"))
            folder.rename(kept / "run")
            folder.mkdir()
            wrong.append(f"logs in {kept}")
    took = f"{words.sent.total()} records, {time.monotonic() - begun:.0f} s"
    reason = "; ".join(wrong + words.failed[:3]) or took
    yield Row("streams", f"EOS v2, {kills} kills", "failed" if wrong else "passed", reason)
