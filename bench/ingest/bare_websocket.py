"""The bare library: parses each message, answers every so many, and writes nowhere.

python -m bench.ingest.bare_websocket EVERY
"""

from __future__ import annotations

import asyncio
import json
import sys

import msgspec
from websockets.asyncio.server import ServerConnection, serve


async def main(every: int) -> None:
    """Serve until it is terminated."""

    async def handle(socket: ServerConnection) -> None:
        seq = 0
        async for data in socket:
            msgspec.json.decode(data)
            seq += 1
            if seq % every == 0:
                await socket.send(f'{{"ack_seq":{seq}}}')

    async with serve(handle, "127.0.0.1", 0, compression=None) as server:
        port = server.sockets[0].getsockname()[1]
        sys.stdout.write(json.dumps({"port": port}) + "\n")
        sys.stdout.flush()
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
