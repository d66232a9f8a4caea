"""Durations, sizes, ids, clocks and chance."""

import pytest

from summit.base.clock import ManualClock, SystemClock
from summit.base.errors import Invalid
from summit.base.ids import uuid7
from summit.base.rand import Rand
from summit.base.units import format_duration, parse_duration_ms, parse_size_bytes


@pytest.mark.parametrize(
    ("text", "ms"),
    [("60s", 60_000), ("5m", 300_000), ("1h", 3_600_000), ("250", 250), (7, 7), ("0.5s", 500)],
)
def test_durations(text: object, ms: int) -> None:
    assert parse_duration_ms(text) == ms


@pytest.mark.parametrize("text", ["", "s", "-1s", -1, True, None, "1 week", "0.1ms", 1.5, [1]])
def test_bad_durations(text: object) -> None:
    with pytest.raises(Invalid):
        parse_duration_ms(text)


def test_format_is_the_inverse() -> None:
    for ms in (1, 999, 1000, 90_000, 3_600_000, 86_400_000, 0):
        assert parse_duration_ms(format_duration(ms)) == ms


def test_sizes() -> None:
    assert parse_size_bytes("64KiB") == 65536
    assert parse_size_bytes("1.5MiB") == 1572864
    for bad in ("", "1 XB", -1, None):
        with pytest.raises(Invalid):
            parse_size_bytes(bad)


def test_uuid7_sorts_by_time_and_repeats_with_a_seed() -> None:
    clock = ManualClock(1_700_000_000_000)
    first = uuid7(clock, Rand(1))
    assert first == uuid7(clock, Rand(1))
    assert first.version == 7
    clock.advance(1)
    assert uuid7(clock, Rand(1)) > first


def test_clocks() -> None:
    clock = ManualClock()
    start = clock.now_ms()
    clock.advance(5)
    assert (clock.now_ms() - start, clock.monotonic_ms()) == (5, 5.0)
    with pytest.raises(ValueError, match="back"):
        clock.advance(-1)
    system = SystemClock()
    assert system.monotonic_ms() <= system.monotonic_ms()
    assert system.now_ms() > 1_700_000_000_000


def test_seeded_chance_repeats() -> None:
    def draw(rand: Rand) -> list[object]:
        items = [1, 2, 3]
        rand.shuffle(items)
        return [rand.randint(1, 9), rand.random(), rand.bytes(4), rand.choice(items),
                rand.choices(items, [1, 1, 1], 3), rand.expovariate(2.0)]  # fmt: skip

    assert draw(Rand(7)) == draw(Rand(7))
