"""Page views per page and minute, joined with who looks: one's own operators, exactly once.

    python examples/streams/page_views.py

It brings its own broker. With BOOTSTRAP_SERVERS=host:9092 it uses one that is there: start it twice
and the two share the work; kill one, and the other goes on where that was.
"""

import asyncio
import os
from dataclasses import dataclass

from summit.stream_processing import (
    Context,
    EmbeddedBroker,
    Process,
    StreamApp,
    StreamConsumer,
    StreamProducer,
    Windowed,
    tumbling,
)

START = 1_767_225_600_000  # milliseconds; the events bring their own time


@dataclass
class View:
    """Somebody looks at a page."""

    at: int
    user: str
    page: str


@dataclass
class User:
    """Who somebody is."""

    country: str


def shown(result: Windowed[str, int]) -> dict[str, object]:
    """One line of output."""
    return {
        "page": result.key,
        "minute": (result.start_ms - START) // 60_000,
        "views": result.value,
    }


class Bored(Process[str, View, dict[str, object]]):
    """Tells once when somebody has not looked at anything for two minutes."""

    def process(self, ctx: Context[str, dict[str, object]], view: View) -> None:
        """A view: wait anew."""
        if "until" in ctx.state:
            ctx.cancel_timer(ctx.state["until"])
        ctx.state["until"] = view.at + 120_000
        ctx.timer(ctx.state["until"])

    def on_timer(self, ctx: Context[str, dict[str, object]], at_ms: int) -> None:
        """Two minutes without a view."""
        ctx.state.clear()
        ctx.emit({"user": ctx.key, "minute": (at_ms - START) // 60_000})


def declare(app: StreamApp) -> None:
    """What is to be done."""
    views = app.stream("views", View, time=lambda view: view.at, delay="5s")
    views.key_by(lambda view: view.page, name="by-page").window(tumbling("1m")).count().map(
        shown
    ).to("views-per-minute")
    by_user = views.key_by(lambda view: view.user, name="by-user")
    by_user.process(Bored).to("bored")
    by_user.join_table(app.table("users", User), how="left").map(
        lambda pair: {"page": pair[0].page, "country": pair[1].country if pair[1] else "?"}
    ).to("views-with-country")


async def main(servers: str) -> None:
    """Send some views, run the app to their end, and show what it has found."""
    async with StreamProducer({"bootstrapServers": servers, "valueSerializer": "json"}) as producer:
        await producer.send_batch(
            [
                {"topic": "users", "key": f"user{n}", "value": {"country": "NO" if n % 2 else "PE"}}
                for n in range(3)
            ]
        )
        views = [
            View(START + n * 2_000, f"user{n % 4}", "/" if n % 3 else "/prices") for n in range(120)
        ]
        views.append(View(START + 600_000, "last", "/"))  # event time goes on: all windows are over
        await producer.send_batch(
            [
                {"topic": "views", "value": {"at": v.at, "user": v.user, "page": v.page}}
                for v in views
            ]
        )
    app = StreamApp("page-views", bootstrap_servers=servers, stop_at_end=True, idle_ms=500)
    declare(app)
    await app.run()
    reader = StreamConsumer(
        {
            "bootstrapServers": servers,
            "groupId": "show",
            "autoOffsetReset": "earliest",
            "isolationLevel": "read_committed",
        }
    )
    async with reader:
        await reader.subscribe(["views-per-minute", "bored"])
        for _ in range(14):
            for record in await reader.poll(500):
                print(record.topic, record.json())


if __name__ == "__main__":
    known = os.environ.get("BOOTSTRAP_SERVERS")
    if known:
        asyncio.run(main(known))
    else:
        with EmbeddedBroker.in_memory(num_partitions=1, auto_create_topics=True) as broker:
            asyncio.run(main(broker.address))
