"""Runs one file collector as a process of its own, for tests that kill it.

python collecting.py ADDRESSES CONFIG-JSON
"""

from __future__ import annotations

import asyncio
import json
import sys

from summit.client.producer import StreamProducer
from summit.ingest import CollectorConfig, FileCollector


async def main(addresses: str, config: str) -> None:
    producer = StreamProducer({"bootstrapServers": addresses, "lingerMs": 1})
    await producer.connect()
    collector = FileCollector(CollectorConfig.from_dict(json.loads(config)))
    collector.on("data:ingested", lambda payload: print("data", payload.count, flush=True))
    await collector.start(producer)
    print("started", flush=True)
    await collector.done()
    print("done", flush=True)
    await collector.stop()
    await producer.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2]))
