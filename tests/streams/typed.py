"""What a type checker must know of streams; `test_typing.py` has it checked. Never run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, assert_type

from summit.stream_processing import (
    Context,
    KeyedStream,
    Process,
    Stream,
    StreamApp,
    Table,
    Windowed,
    hopping,
    session,
    tumbling,
)


@dataclass
class Click:
    """An event."""

    user: str
    at: int


class Named(Process[str, Click, int]):
    """An operator."""

    def process(self, ctx: Context[str, int], value: Click) -> None:
        """One event."""
        assert_type(ctx.key, str)
        ctx.emit(value.at)


def times(clicks: list[Click]) -> list[int]:
    """The times of a batch."""
    return [click.at for click in clicks]


def declare(app: StreamApp) -> None:
    """Every way to a type."""
    clicks = app.stream("clicks", Click, time=lambda click: click.at)
    assert_type(clicks, Stream[Click])
    assert_type(app.stream("plain"), Stream[Any])
    assert_type(clicks.map(lambda click: click.at), Stream[int])
    assert_type(clicks.map(times, batch=True), Stream[int])
    assert_type(clicks.flat_map(lambda click: [click.user]), Stream[str])
    assert_type(clicks.filter(lambda click: click.at > 1).inspect(print), Stream[Click])
    assert_type(clicks.key_by(), KeyedStream[str | None, Click])
    keyed = clicks.key_by(lambda click: click.user)
    assert_type(keyed, KeyedStream[str, Click])
    assert_type(keyed.filter(lambda click: click.at > 1), KeyedStream[str, Click])
    assert_type(keyed.map(lambda click: click.at), KeyedStream[str, int])
    assert_type(keyed.count(), KeyedStream[str, int])
    assert_type(keyed.process(Named), KeyedStream[str, int])
    minutes = keyed.window(tumbling("1m"))
    assert_type(minutes.count(), KeyedStream[str, Windowed[str, int]])
    assert_type(minutes.sum(lambda click: 0.5), KeyedStream[str, Windowed[str, float]])
    assert_type(keyed.window(session("1s")).collect(), KeyedStream[str, Windowed[str, list[Click]]])
    ends = (
        keyed.window(hopping("1m", every="1s")).max(lambda click: click.at).map(lambda w: w.end_ms)
    )
    assert_type(ends, KeyedStream[str, int])
    other = keyed.map(lambda click: click.at)
    assert_type(keyed.join(other, ("-1s", 5)), KeyedStream[str, tuple[Click, int]])
    left = keyed.join(other, (0, 1), how="left")
    assert_type(left, KeyedStream[str, tuple[Click, int | None]])
    assert_type(other.table(), Table[str, int])
    assert_type(
        keyed.join_table(app.table("names", str), how="left"),
        KeyedStream[str, tuple[Click, str | None]],
    )
    keyed.map(lambda click: click.nothing)  # type: ignore[attr-defined]
    keyed.process(Named).map(lambda n: n.upper())  # type: ignore[attr-defined]
