"""One collector as a process of its own: prints a JSON line with its port, ends by SIGTERM.

python -m bench.ingest.collecting BROKERS CONFIG-JSON
"""

from __future__ import annotations

import asyncio
import json
import sys

from summit.client.producer import StreamProducer
from summit.ingest import make_collector


async def main(brokers: str, config: str) -> None:
    """Run the collector."""
    # As the services' own producer: nothing lingers on purpose.
    async with StreamProducer({"bootstrapServers": brokers, "lingerMs": 0}) as producer:
        collector = make_collector(json.loads(config))
        await collector.start(producer)
        address = collector.address or ":0"
        sys.stdout.write(json.dumps({"port": int(address.rpartition(":")[2])}) + "\n")
        sys.stdout.flush()
        await asyncio.Event().wait()  # until it is terminated


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2]))
