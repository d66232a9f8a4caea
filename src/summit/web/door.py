"""The door of a server: so many connections in all and of one address, TLS handshakes among them.

A connection is let in when it is accepted, before its handshake: who opens thousands of them and
says nothing takes no more room than who speaks.
"""

from __future__ import annotations

import asyncio
import ssl
from collections import Counter
from collections.abc import Callable
from typing import Any

from summit.base.hosts import is_loopback
from summit.base.limits import TLS_HANDSHAKE_MS


class Door:
    """Counts who is in.

    Args:
        most: Connections at a time; None for no bound.
        per_address: The same of one address that is not of this machine.

    Attributes:
        refused: Connections that were closed at once.
    """

    def __init__(self, most: int | None = None, per_address: int | None = None) -> None:
        self._most = most
        self._per_address = per_address
        self._counts: Counter[str] = Counter()
        self._total = 0
        self.refused = 0
        self.handshakes: set[asyncio.Task[None]] = set()

    @property
    def total(self) -> int:
        """Connections now."""
        return self._total

    def enter(self, address: str) -> bool:
        """Let a connection in; whoever asks says `leave` in any case. False = it is too many."""
        self._total += 1
        self._counts[address] += 1
        too_many = self._most is not None and self._total > self._most
        if self._per_address is not None and not is_loopback(address):
            too_many = too_many or self._counts[address] > self._per_address
        self.refused += too_many
        return not too_many

    def leave(self, address: str) -> None:
        """A connection has ended."""
        self._total -= 1
        self._counts[address] -= 1
        if not self._counts[address]:
            del self._counts[address]

    def close(self) -> None:
        """End the handshakes under way."""
        for task in self.handshakes:
            task.cancel()


class Handshake(asyncio.Protocol):
    """A connection that is accepted and not yet TLS.

    Args:
        make: Makes the protocol that goes on.
        timeout_ms: How long the handshake may take.
    """

    def __init__(
        self, door: Door, context: ssl.SSLContext, make: Callable[[], Any],
        timeout_ms: int = TLS_HANDSHAKE_MS,
    ) -> None:  # fmt: skip
        self._door = door
        self._context = context
        self._make = make
        self._timeout_s = timeout_ms / 1000
        self._early: list[bytes] = []
        self._ended = False

    def connection_made(self, transport: Any) -> None:
        """Begin the handshake, or refuse."""
        peer = transport.get_extra_info("peername")
        self._address = str(peer[0]) if peer else ""
        if not self._door.enter(self._address):
            transport.abort()
            self._door.leave(self._address)
            return
        transport.pause_reading()
        task = asyncio.get_running_loop().create_task(self._shake(transport))
        self._door.handshakes.add(task)
        task.add_done_callback(self._door.handshakes.discard)

    def data_received(self, data: bytes) -> None:
        """What came with the handshake's last bytes."""
        self._early.append(data)

    def connection_lost(self, exc: Exception | None) -> None:
        """It ended before anybody went on with it."""
        self._ended = True

    async def _shake(self, transport: Any) -> None:
        loop = asyncio.get_running_loop()
        tls: Any = None
        try:
            tls = await loop.start_tls(
                transport, self, self._context, server_side=True,
                ssl_handshake_timeout=self._timeout_s,
            )  # fmt: skip
        except OSError:  # a handshake that failed, took too long, or was left
            return
        finally:
            if tls is None or self._ended:
                transport.abort()
                self._door.leave(self._address)
        if self._ended:
            return
        protocol = self._make()
        tls.set_protocol(protocol)
        protocol.connection_made(tls)
        for data in self._early:
            protocol.data_received(data)
