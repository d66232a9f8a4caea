"""The bare library: reads each message of a stream, answers every so many, and writes nowhere.

python -m bench.ingest.bare_grpc EVERY
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

import grpc
import msgspec

from summit.ingest.grpc.messages import SERVICE, PublishAck, PublishRequest


async def main(every: int) -> None:
    """Serve until it is terminated."""

    async def handle(requests: Any, context: Any) -> None:
        seq = 0
        async for request in requests:
            if request.WhichOneof("content") == "json":
                msgspec.json.decode(request.json)
            else:
                for event in request.batch.events or (request.event,):
                    msgspec.json.decode(event.json)
            seq += 1
            if seq % every == 0:
                await context.write(PublishAck(seq=seq))
        if seq % every:
            await context.write(PublishAck(seq=seq))

    handler = grpc.stream_stream_rpc_method_handler(
        handle, PublishRequest.FromString, PublishAck.SerializeToString
    )
    server = grpc.aio.server()
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler(SERVICE, {"PublishStream": handler}),)
    )
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    sys.stdout.write(json.dumps({"port": port}) + "\n")
    sys.stdout.flush()
    await server.wait_for_termination()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
