"""The bare reference: takes length-prefixed frames, appends each to a file, answers `n` bytes.

What any broker on this event loop pays at least: the sockets, one write per frame, no protocol,
no checks, no offsets, no indexes. `python -m bench.broker.reference FILE ANSWER_BYTES`.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from typing import Any

from summit.broker.loops import new_event_loop

SCRATCH = memoryview(bytearray(256 * 1024))


class Appender(asyncio.BufferedProtocol):
    def __init__(self, fd: int, answer: bytes) -> None:
        self.fd = fd
        self.answer = answer
        self.rest = 0  # bytes of the present frame that are still to come
        self.carry = b""

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def get_buffer(self, sizehint: int) -> memoryview:
        return SCRATCH

    def buffer_updated(self, nbytes: int) -> None:
        data: Any = SCRATCH[:nbytes]
        if self.carry:
            data = memoryview(self.carry + data)
            self.carry = b""
        os.write(self.fd, data)
        answers = 0
        position = 0
        while position < len(data):
            if self.rest == 0:
                if len(data) - position < 4:
                    self.carry = bytes(data[position:])
                    break
                self.rest = int.from_bytes(data[position : position + 4], "big")
                position += 4
            taken = min(self.rest, len(data) - position)
            self.rest -= taken
            position += taken
            if self.rest == 0:
                answers += 1
        if answers:
            self.transport.write(self.answer * answers)


async def main(path: str, answer_bytes: int) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o640)
    answer = answer_bytes.to_bytes(4, "big") + bytes(answer_bytes)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Appender(fd, answer), "127.0.0.1", 0)
    print(json.dumps({"port": server.sockets[0].getsockname()[1]}), flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        runner.run(main(sys.argv[1], int(sys.argv[2])))
