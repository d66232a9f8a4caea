"""How many connections a listener has, counted from their first byte on: one that is still in its
TLS handshake, or has not said what it wants, takes a place like any other.

    gate = Gate(limit=1_000, context=context)
    server = await loop.create_server(gated(Connection, gate), host, port)   # without `ssl`
    await gate.close()
"""

from __future__ import annotations

import asyncio
import ssl
from collections import Counter
from collections.abc import Callable
from typing import Any, Final

from summit.base.hosts import is_loopback
from summit.base.limits import TLS_HANDSHAKE_MS
from summit.base.tasks import Tasks

SHUTDOWN_TIMEOUT_S: Final = 5.0


class Gate:
    """Who may enter one listener.

    Args:
        limit: Most connections; None for no bound.
        per_address: Most of one address that is not of this machine; None for no bound.
        context: The server's side of TLS; None for plain connections.
        handshake_timeout_ms: How long a TLS handshake may take.
        may_enter: Asked first, with the address of the other side.
        on_full: Called for each connection that finds no place.

    Attributes:
        open: Connections that are in.
        handshaking: Those of them in a TLS handshake.
        refused: Connections that found no place.
    """

    def __init__(
        self,
        *,
        limit: int | None = None,
        per_address: int | None = None,
        context: ssl.SSLContext | None = None,
        handshake_timeout_ms: int = TLS_HANDSHAKE_MS,
        may_enter: Callable[[str], bool] | None = None,
        on_full: Callable[[], None] | None = None,
    ) -> None:
        self.context = context
        self._limit = limit
        self._per_address = per_address
        self._handshake_timeout_s = handshake_timeout_ms / 1000
        self._may_enter = may_enter
        self._on_full = on_full
        self._of_address: Counter[str] = Counter()
        self._tasks = Tasks()
        self.open = self.handshaking = self.refused = 0

    def enter(self, transport: Any) -> str | None:
        """The address of a new connection that is counted from now on; None: it may not stay."""
        address = str((transport.get_extra_info("peername") or ("",))[0])
        if self._may_enter is not None and not self._may_enter(address):
            return None
        is_counted = self._per_address is not None and bool(address) and not is_loopback(address)
        is_full = self._limit is not None and self.open >= self._limit
        if is_full or (is_counted and self._of_address[address] >= (self._per_address or 0)):
            self.refused += 1
            if self._on_full is not None:
                self._on_full()
            return None
        self.open += 1
        if is_counted:
            self._of_address[address] += 1
        return address

    def leave(self, address: str) -> None:
        """A connection that had entered is gone."""
        self.open -= 1
        if address in self._of_address:
            self._of_address[address] -= 1
            if self._of_address[address] <= 0:
                del self._of_address[address]

    def shake_hands(
        self, transport: Any, done: Callable[[Any, _Early], None], lost: Callable[[], None]
    ) -> None:
        """Begin TLS on a connection; `done` gets the encrypted one, or `lost` is called."""
        transport.pause_reading()  # what comes is for the handshake
        self._tasks.spawn(self._handshake(transport, done, lost), "TLS handshake")

    async def _handshake(self, transport: Any, done: Any, lost: Any) -> None:
        early = _Early()
        tls: Any = None
        self.handshaking += 1
        try:
            assert self.context is not None
            tls = await asyncio.get_running_loop().start_tls(
                transport, early, self.context, server_side=True,
                ssl_handshake_timeout=self._handshake_timeout_s,
                ssl_shutdown_timeout=SHUTDOWN_TIMEOUT_S,
            )  # fmt: skip
        except (OSError, EOFError):  # it is no TLS, or took too long, or went away
            pass
        finally:
            self.handshaking -= 1
            if tls is None:
                transport.abort()
                lost()
        if tls is not None:
            done(tls, early)

    async def close(self) -> None:
        """End the handshakes that are under way; what has passed stays."""
        await self._tasks.cancel_all()


class _Early(asyncio.Protocol):
    """Keeps what comes between the end of a handshake and the protocol's turn."""

    def __init__(self) -> None:
        self.data = b""
        self.is_eof = False
        self.lost: tuple[Exception | None] | None = None

    def data_received(self, data: bytes) -> None:
        self.data += data

    def eof_received(self) -> None:
        self.is_eof = True

    def connection_lost(self, error: Exception | None) -> None:
        self.lost = (error,)


def gated(base: Any, gate: Gate) -> Any:
    """A class of protocols whose connections pass a gate before they begin."""

    class Gated(base):  # type: ignore[misc]  # which class it is, is known at run time
        _gate_address: str | None = None
        _gate_is_passed = False

        def connection_made(self, transport: Any) -> None:
            address = gate.enter(transport)
            if address is None:
                transport.abort()
                return
            self._gate_address = address
            if gate.context is None:
                self._gate_is_passed = True
                super().connection_made(transport)
            else:
                gate.shake_hands(transport, self._gate_passed, self.give_place)

        def _gate_passed(self, transport: Any, early: _Early) -> None:
            self._gate_is_passed = True
            transport.set_protocol(self)
            super().connection_made(transport)
            if early.data:
                self.data_received(early.data)
            if early.lost is not None:
                self.connection_lost(*early.lost)
            elif early.is_eof:
                self.eof_received()

        def give_place(self) -> None:
            """The connection is gone, or who went on with it says so."""
            address, self._gate_address = self._gate_address, None
            if address is not None:
                gate.leave(address)

        def connection_lost(self, exc: Exception | None) -> None:
            self.give_place()
            if self._gate_is_passed:
                super().connection_lost(exc)

    return Gated
