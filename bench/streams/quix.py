"""The peer of `counting.py`: the same counts with Quix Streams, run by its own Python."""

from __future__ import annotations

import json
import sys
import time

from quixstreams import Application


def main(address: str, state_dir: str, silent_s: float, window_ms: int, delay_ms: int) -> None:
    """Count, and stop after so many seconds without records; prints CPU-seconds as JSON."""
    app = Application(
        broker_address=address,
        consumer_group="quix",
        processing_guarantee="exactly-once",
        auto_offset_reset="earliest",
        state_dir=state_dir,
        commit_interval=0.1,
        loglevel="ERROR",
    )
    clicks = app.topic("clicks", timestamp_extractor=lambda value, *_: value["at"])
    frame = app.dataframe(clicks).filter(lambda click: not click["bot"]).group_by("user")
    counts = frame.tumbling_window(window_ms, grace_ms=delay_ms).count().final()
    counts.to_topic(app.topic("quix-counts"))
    begun_s = time.process_time()
    app.run(timeout=silent_s)
    print(json.dumps({"cpu_s": time.process_time() - begun_s}))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], float(sys.argv[3]), int(sys.argv[4]), int(sys.argv[5]))
