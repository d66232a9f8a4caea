"""Apps that tests run, in the test's process or in one of their own, by name."""

from __future__ import annotations

from typing import Any

from summit.operators.processes import Context, Process
from summit.operators.windows import hopping, session, tumbling
from summit.streams.app import StreamApp

Event = dict[str, Any]
BUCKET_MS = 50
GAP_MS = 12
BOUNDS = (-20, 10)


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


def by_key(event: Event) -> str:
    return str(event["key"])


def wanted(event: Event) -> bool:
    return not event.get("skip")


def everything(app: StreamApp) -> None:
    """Each kind of operator, two of them behind one another."""
    clicks = app.stream("clicks", time=lambda e: e["at"], delay=2)
    views = app.stream("views", time=lambda e: e["at"])
    clicks = clicks.filter(lambda events: [wanted(e) for e in events], batch=True)
    keyed = clicks.key_by(by_key, name="clicks-by-key")
    viewed = views.filter(wanted).key_by(by_key, name="views-by-key")
    keyed.process(Numbering, name="numbering").to("numbered")
    counted = keyed.window(tumbling(BUCKET_MS), late_to="late").count()
    counted.to("counted")
    keyed.window(hopping(60, every=20)).sum(lambda e: int(e["v"])).to("hopping")
    keyed.window(session(GAP_MS)).collect().map(
        lambda w: {"key": w.key, "from": w.start_ms, "ids": sorted(e["id"] for e in w.value)}
    ).to("sessions")
    (
        keyed.join(viewed, BOUNDS, how="left")
        .map(lambda pair: {"left": pair[0]["id"], "right": pair[1] and pair[1]["id"]})
        .to("pairs")
    )
    (
        counted.key_by(lambda w: len(w.key), name="by-length")
        .window(tumbling(4 * BUCKET_MS))
        .sum(lambda w: w.value)
        .to("totals")
    )


APPS = {"numbering": numbering, "everything": everything}
