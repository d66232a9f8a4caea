"""Runs one collector as a process of its own, for tests that kill it.

python collecting.py ADDRESSES CONFIG-JSON
"""

from __future__ import annotations

import asyncio
import json
import sys

from summit.client.producer import StreamProducer
from summit.ingest import FileCollector, make_collector


async def main(addresses: str, config: str) -> None:
    producer = StreamProducer({"bootstrapServers": addresses, "lingerMs": 1})
    await producer.connect()
    collector = make_collector(json.loads(config))
    collector.on("data:ingested", lambda payload: print("data", payload.count, flush=True))
    await collector.start(producer)
    print("started", collector.address or "", flush=True)
    if not isinstance(collector, FileCollector):
        await asyncio.Event().wait()  # until it is killed
        return
    await collector.done()
    print("done", flush=True)
    await collector.stop()
    await producer.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2]))
