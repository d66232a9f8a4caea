"""Hostile bytes against a broker, case after case.

    python -m tests.hostile.fuzz --cases 1000000        as many, at most --minutes long
    python -m tests.hostile.fuzz --only 123456          one case, on a fresh broker

A case is drawn from its number: requests of every API and version, plausible or random, as they are
or spoilt; batches that lie; frames whose lengths lie. The broker must go on, whatever comes:
nothing uncaught, nothing hanging, memory within bounds, others served and their data kept.
"""

from __future__ import annotations

import argparse
import contextlib
import faulthandler
import random
import resource
import struct
import sys
import time
import tracemalloc
from collections.abc import Iterator
from typing import Any

import structlog
from tests.hostile import batches, plausible
from tests.hostile.mutations import spoil
from tests.hostile.target import Target, target
from tests.protocol.random_messages import random_message

from summit.base.errors import SummitError
from summit.protocol import frames
from summit.protocol.apis import APIS

CASES_PER_BROKER = 2_000  # then a fresh one: topics and groups that attackers made pile up
FRIEND_EVERY = 50
MEMORY_EVERY = 100
MEMORY_BYTES = 220 << 20  # of one case: one bomb unfolds to 64 MiB, and is copied
_CASE_LIMIT_S = 120
_MEMORY_LIMIT_BYTES = 3 << 30


def case(number: int, known: plausible.Known) -> bytes:
    """The bytes of a case."""
    chance = random.Random(f"case {number}")
    count = chance.choice([1, 1, 1, 2, 5])
    data = b"".join(_frame(chance, known) for _ in range(count))
    if chance.random() < 0.1:
        data = spoil(data, chance)
    return data


def _frame(chance: random.Random, known: plausible.Known) -> bytes:
    api: Any = chance.choice(plausible.apis())
    if chance.random() < 0.15:
        api = APIS[0]
    version = chance.randint(api.versions.first, api.versions.last)
    make = plausible.request if chance.random() < 0.8 else _random
    message = make(api, version, chance, known)
    client_id = chance.choice([None, "", "mean", "x" * 300])
    head = frames.encode_request_header(api, version, chance.getrandbits(31), client_id)
    try:
        body = api.encode_request(version, message)
    except SummitError:  # a number that the field does not hold
        body = b""
    if chance.random() < 0.5:
        body = spoil(body, chance)
    if chance.random() < 0.1:
        head = spoil(head, chance)
    size = len(head) + len(body)
    if chance.random() < 0.03:
        size = chance.choice([-1, 0, 9, size - 1, size + 1, size + 50_000, 2**31 - 1, -(2**31)])
    return struct.pack(">i", size) + head + body


def _random(api: Any, version: int, chance: random.Random, known: plausible.Known) -> Any:
    if api.key == 0 and chance.random() < 0.5:
        return plausible.request(api, version, chance, known)
    return random_message(api.request, version, chance)


@contextlib.contextmanager
def bounded_memory(is_measured: bool, limit_bytes: int) -> Iterator[None]:
    """Raise if what happens inside takes more."""
    if not is_measured:
        yield
        return
    tracemalloc.start()
    try:
        yield
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    if peak > limit_bytes:
        raise AssertionError(f"one case took {peak >> 20} MiB")


def run_cases(first: int, count: int, *, memory_every: int = MEMORY_EVERY) -> None:
    """Some cases on one broker. Raises what went wrong, with the number of the case."""
    with target(first) as attacked:
        for number in range(first, first + count):
            run_case(attacked, number, is_measured=number % memory_every == 0)
            if number % FRIEND_EVERY == 0:
                attacked.check_friend()
        attacked.check_friend()


def run_case(attacked: Target, number: int, *, is_measured: bool = False) -> None:
    data = case(number, attacked.known)
    limit_bytes = MEMORY_BYTES + 64 * len(data)
    try:
        with bounded_memory(is_measured, limit_bytes):
            attacked.attack(data, random.Random(number))
    except BaseException as error:
        error.add_note(f"case {number}: {data.hex() if len(data) < 3_000 else len(data)}")
        raise


def _silence(*_: Any) -> Any:
    raise structlog.DropEvent


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.hostile.fuzz")
    parser.add_argument("--cases", type=int, default=100_000)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--minutes", type=float, default=1e9)
    parser.add_argument("--only", type=int)
    parser.add_argument("--keep-going", action="store_true")
    options = parser.parse_args(arguments)
    structlog.configure(processors=[_silence])
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_LIMIT_BYTES, _MEMORY_LIMIT_BYTES))
    for codec in range(1, 5):
        batches.bomb(codec)
    if options.only is not None:
        run_cases(options.only, 1, memory_every=1)
        return 0
    began = time.monotonic()
    failures = done = 0
    number, end = options.first, options.first + options.cases
    while number < end and time.monotonic() - began < options.minutes * 60:
        faulthandler.dump_traceback_later(_CASE_LIMIT_S * 5, exit=True)
        count = min(CASES_PER_BROKER, end - number)
        try:
            run_cases(number, count)
        except Exception as error:
            failures += 1
            print(f"{type(error).__name__}: {error}", *error.__notes__, sep="\n  ", flush=True)
            if not options.keep_going:
                raise
        number += count
        done += count
    seconds = time.monotonic() - began
    print(f"{done} cases, {failures} failures, {done / seconds:.0f} cases a second")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
