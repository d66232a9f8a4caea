"""Apps that tests run, in the test's process or in one of their own, by name."""

from __future__ import annotations

from typing import Any

from summit.operators.processes import Context, Process
from summit.streams.app import StreamApp

Event = dict[str, Any]
BUCKET_MS = 50


class Numbering(Process[str, Event, Event]):
    """Gives every event of a key its number; counts those in time in buckets, told at their end."""

    def process(self, ctx: Context[str, Event], value: Event) -> None:
        number = ctx.state["n"] = ctx.state.get("n", 0) + 1
        ctx.emit({"id": value["id"], "key": ctx.key, "n": number})
        if not ctx.is_late:
            end = ctx.time_ms - ctx.time_ms % BUCKET_MS + BUCKET_MS
            ctx.timer(end)
            ctx.state[str(end)] = ctx.state.get(str(end), 0) + 1

    def on_timer(self, ctx: Context[str, Event], at_ms: int) -> None:
        ctx.emit({"key": ctx.key, "until": at_ms, "count": ctx.state.pop(str(at_ms))})


def numbering(app: StreamApp) -> None:
    """Events by a key of their own, numbered."""
    events = app.stream("clicks", time=lambda e: e["at"])
    (
        events.filter(lambda e: not e.get("skip"))
        .map(lambda e: {**e, "seen": True})
        .key_by(lambda e: e["key"], name="by-key")
        .process(Numbering, name="numbering")
        .to("numbered")
    )


APPS = {"numbering": numbering}
