"""When a broker tells its figures: while it moves anything but them."""

from summit.services.metrics_feed import Activity


def play(readers: int, moves: list[tuple[int, int]]) -> list[bool]:
    """Ticks with (messages in, out) of others; the feed's own records are added as they go."""
    activity = Activity()
    messages_in = messages_out = 0
    told = []
    for came, went in moves:
        messages_in += came
        messages_out += went
        told.append(activity.look(messages_in, messages_out))
        if told[-1]:
            messages_in += 1
            messages_out += readers
    return told


def test_a_quiet_broker_falls_silent_and_stays_so() -> None:
    told = play(3, [(0, 0)] * 60)
    assert told[0]
    assert not any(told[15:])


def test_a_busy_one_tells_every_tick() -> None:
    assert all(play(1, [(5, 5)] * 30))


def test_after_the_last_message_the_rates_run_out_before_it_falls_silent() -> None:
    told = play(2, [(100, 100)] * 5 + [(0, 0)] * 40)
    last = max(n for n, one in enumerate(told) if one)
    assert 5 + 8 <= last <= 5 + 14
    assert not any(told[last + 1 :])


def test_reading_alone_shows() -> None:
    quiet = [(0, 0)] * 20
    told = play(1, [*quiet, *[(0, 50)] * 10, *quiet])
    assert told[20]
    assert sum(told[20:30]) >= 5


def test_a_single_message_wakes_a_silent_one() -> None:
    told = play(4, [*[(0, 0)] * 20, (1, 0), (0, 0), (0, 0)])
    assert told[20]
