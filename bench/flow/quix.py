"""The peer of `peers.py`: W1 with Quix Streams, exactly once, run by its own Python.

Events are taken as they come (it has no order by event time), keyed as the topic is; a key's state
is the times of its failures in the last minute. Prints the number of alerts as JSON.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from quixstreams import Application

WITHIN_MS = 60_000
SILENT_S = 10


def found(event: dict[str, Any], state: Any) -> dict[str, Any] | None:
    """The alert that an event completes, or None."""
    now = event["timestamp"]
    times = [at for at in state.get("failed", []) if now - at < WITHIN_MS]
    if event["eventType"] == "auth.login.failed":
        state.set("failed", [*times, now])
        return None
    if len(times) < 3:
        return None
    state.delete("failed")
    return {
        "rule": "w1", "user": event["user"], "firstSeen": times[0], "lastSeen": now,
        "count": len(times) + 1,
    }  # fmt: skip


def main(address: str, state_dir: str, topic: str, alerts: str) -> None:
    """Read until nothing comes any more."""
    app = Application(
        broker_address=address,
        consumer_group="quix",
        processing_guarantee="exactly-once",
        auto_offset_reset="earliest",
        state_dir=state_dir,
        commit_interval=0.1,
        loglevel="ERROR",
    )
    made = 0

    def count(_: Any) -> None:
        nonlocal made
        made += 1

    frame = app.dataframe(app.topic(topic))
    frame = frame.filter(
        lambda event: event["eventType"] in ("auth.login.failed", "auth.login.success")
    )
    frame = frame.apply(found, stateful=True).filter(lambda alert: alert is not None)
    frame.update(count).to_topic(app.topic(alerts))
    app.run(timeout=SILENT_S)
    print(json.dumps({"alerts": made}))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3], sys.argv[4])
