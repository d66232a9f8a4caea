"""The WebSocket collector: events as messages, each answered after the broker's acknowledgement.

What messages and answers look like is in `messages.py` and `session.py`. A connection is read no
faster than the broker takes its events. The upgrade is refused with 401 (who?), 403 (the page's
origin), 404 (the path); a connection is closed with 1007 (no UTF-8), 1009 (too big a message), 1012
(the collector stops), 1013 (too many connections, or the broker is away), 4001 (another connection
has the client's name).

Guarantee: clients that name themselves, effectively once, over reconnects and restarts; others at
least once: what was not acknowledged may have been written.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import hashlib
import http
import json
from collections.abc import Sequence
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit
from weakref import WeakValueDictionary

from summit.base.clock import Clock
from summit.base.errors import Conflict, Invalid, SummitError
from summit.base.tasks import Tasks
from summit.ingest.auth import Authenticator
from summit.ingest.bodies import Limits
from summit.ingest.delivery import Handed, Outcome
from summit.ingest.notes import Note
from summit.ingest.producing import Producer
from summit.ingest.rates import RateLimit
from summit.ingest.settings import CollectorConfig
from summit.ingest.shaping import Draft, Headers, Shaped
from summit.ingest.taking import TakingCollector
from summit.ingest.unclear import Unclear
from summit.ingest.websocket.messages import SUBPROTOCOL
from summit.ingest.websocket.session import (
    RESTART,
    TAKEN_OVER,
    TRY_AGAIN,
    Session,
    whole_messages,
)

NOTE_EVERY_S: Final = 1.0  # how often the numbers of clients are written
CLOSE_S: Final = 2.0  # how long a connection may take to end
CLIENT_CHARS_MAX: Final = 200

try:
    from websockets.asyncio.server import Server, ServerConnection, serve
    from websockets.exceptions import ConnectionClosed
    from websockets.typing import Subprotocol
except ImportError as missing:
    raise Invalid("extra.missing", what="WebSockets", extra="websocket") from missing


class WebSocketCollector(TakingCollector):
    """Takes events over WebSockets and writes them to its topic.

    Args:
        config: Its configuration, of type `websocket`.
        producer: Only for `async with`; else `start` gets it.
        clock: Where time comes from.
    Raises: Invalid("extra.missing") without the extra `websocket`.
    """

    type = "websocket"
    guarantee = "effectively_once"

    def __init__(
        self,
        config: CollectorConfig,
        *,
        producer: Producer | None = None,
        clock: Clock | None = None,
    ) -> None:
        super().__init__(config, producer=producer, clock=clock)
        self.options = options = config.block
        self.limits = Limits(options.max_events_per_message, options.max_event_bytes)
        self.prefix = self._prefix
        self._headers = [(name, text.encode()) for name, text in options.headers.items()]
        self._auth: Authenticator | None = None
        self._rate = RateLimit.of(options.rate_limit, options.rate_burst, self._clock)
        self._server: Server | None = None
        self._place: tuple[str, int] | None = None
        self._sessions: set[Session] = set()
        self._by_client: dict[str, Session] = {}
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._seqs: dict[str, int] = {}  # numbers that are not written yet
        self._whole: set[tuple[str, int]] = set()  # messages that were in the log at the start
        self._unclear = Unclear()
        self._tasks = Tasks()
        self._open_gate = asyncio.Event()
        self._open_gate.set()

    @property
    def address(self) -> str | None:
        """`host:port` where it listens; the real port after `start`."""
        if self._place is None:
            return None
        host, port = self._place
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    @property
    def port(self) -> int:
        """The port where it listens."""
        return self._place[1] if self._place is not None else self.config.listen_port

    async def pause(self) -> None:
        """Read nothing until `resume`; connections stay. Raises: Conflict."""
        await super().pause()
        self._open_gate.clear()

    async def resume(self) -> None:
        """Go on after `pause`. Raises: Conflict."""
        await super().resume()
        self._open_gate.set()

    # ---- life ----

    async def _listen(self) -> None:
        options, host = self.options, self.config.host
        if options.auth.type != "none":
            self._auth = Authenticator(options.auth)
        self._open_gate.set()
        self._whole = whole_messages(self._delivery.found, f"{self.prefix}:")
        try:
            self._server = server = await serve(
                self._serve, host, self.config.listen_port,
                process_request=self._check_upgrade,
                subprotocols=[Subprotocol(SUBPROTOCOL)], select_subprotocol=_subprotocol,
                origins=None if "*" in options.origins else [None, *options.origins],
                compression=None, server_header=None, max_size=options.max_message_bytes,
                ping_interval=options.ping_interval_ms / 1000,
                ping_timeout=options.ping_timeout_ms / 1000, close_timeout=CLOSE_S,
                ssl=None if options.tls is None else options.tls.server_context(),
            )  # fmt: skip
        except OSError as error:
            address = f"{host}:{self.config.listen_port}"
            if error.errno == errno.EADDRINUSE:
                raise Conflict("web.port_in_use", address=address) from error
            raise Invalid("web.bind_failed", address=address, reason=str(error)) from error
        self._place = server.sockets[0].getsockname()[:2]
        self._tasks.spawn(self._write_notes(), f"collector {self.name} notes")

    async def _hang_up(self) -> None:
        server, self._server = self._server, None
        if server is None:
            return
        server.close(close_connections=False)
        sessions = list(self._sessions)
        for session in sessions:
            session.end(RESTART, "the collector stops")
        if sessions:
            waits = [asyncio.create_task(session.ended.wait()) for session in sessions]
            _, left = await asyncio.wait(
                waits, timeout=self.options.ack_timeout_ms / 1000 + CLOSE_S
            )
            for wait in left:
                wait.cancel()
        await self._tasks.cancel_all()
        await self._flush_notes()
        server.close()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_S + 1):
                await server.wait_closed()
        self._place = None

    def _details(self) -> dict[str, Any]:
        return {
            **super()._details(),
            "connections": len(self._sessions),
            "unacked": sum(session.unacked for session in self._sessions),
        }

    # ---- one connection ----

    def _check_upgrade(self, socket: ServerConnection, request: Any) -> Any:
        """Refuse an upgrade that may not be: None, or the answer."""
        url = urlsplit(request.path)
        if url.path != self.config.route:
            return socket.respond(http.HTTPStatus.NOT_FOUND, f"there is no {url.path}\n")
        if self._auth is None:
            return None
        token = parse_qs(url.query).get("access_token", [None])[0]
        headers = {name.lower(): text for name, text in request.headers.raw_items()}
        try:
            self._auth.check(headers, token)
        except Invalid as error:
            self._rejected.add(1)
            self._note_error(error)
            response = socket.respond(http.HTTPStatus.UNAUTHORIZED, f"{error}\n")
            if self._auth.challenge:
                response.headers["WWW-Authenticate"] = self._auth.challenge
            return response
        return None

    async def _serve(self, socket: ServerConnection) -> None:
        if self._state == "stopping":
            await socket.close(RESTART, "the collector stops")
            return
        if len(self._sessions) >= self.options.max_connections:
            await socket.close(TRY_AGAIN, "too many connections")
            return
        assert socket.request is not None
        client = parse_qs(urlsplit(socket.request.path).query).get("client", [None])[0]
        if client is not None and not (0 < len(client) <= CLIENT_CHARS_MAX and ":" not in client):
            await socket.close(1008, "the name of a client is 1 to 200 characters without ':'")
            return
        session = await self._register(socket, client)
        if session is None:
            await socket.close(TRY_AGAIN, "the earlier connection of that name has not ended")
            return
        try:
            if client is not None:
                await socket.send(json.dumps({"client": client, "seq": session.done_seq}))
            await session.run()
            if session.goodbye is not None:
                await socket.close(*session.goodbye)
        except ConnectionClosed:
            pass
        finally:
            session.ended.set()
            self._sessions.discard(session)
            if client is not None and self._by_client.get(client) is session:
                del self._by_client[client]

    async def _register(self, socket: ServerConnection, client: str | None) -> Session | None:
        """The session of a connection; of a client's connections one is live at any time."""
        address = str((socket.remote_address or ("",))[0])
        enveloped = socket.subprotocol == SUBPROTOCOL
        if client is None:
            session = Session(self, socket, None, 0, address=address, enveloped=enveloped)
            self._sessions.add(session)
            return session
        turn = self._turns.setdefault(client, asyncio.Lock())
        async with turn:
            seq = await self._take_over(client)
            if seq is None or self._server is None:
                return None
            session = Session(self, socket, client, seq, address=address, enveloped=enveloped)
            self._sessions.add(session)
            self._by_client[client] = session
            return session

    async def _take_over(self, client: str) -> int | None:
        """The last message of a client that is done; a connection that has its name ends first.

        None: it has not ended in time.
        """
        earlier = self._by_client.get(client)
        if earlier is not None:
            earlier.end(TAKEN_OVER, "another connection has the name")
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self.options.ack_timeout_ms / 1000 + CLOSE_S):
                    await earlier.ended.wait()
            if not earlier.ended.is_set():
                return None
        note = self._notes.get(client)
        noted = int(note.answer) if note is not None and note.answer.isdigit() else 0
        seq = max(self._seqs.get(client, 0), noted)
        # What a killed collector has acknowledged and not noted: all of it is in the log.
        while (client, seq + 1) in self._whole:
            seq += 1
        return seq

    # ---- what sessions ask for ----

    async def may_read(self, size_bytes: int) -> None:
        """Wait until a message may be taken: not paused, the broker there, room for its bytes."""
        if not self._open_gate.is_set():
            await self._open_gate.wait()
        await self._delivery.room(size_bytes)

    async def keep_rate(self, address: str, count: int) -> None:
        """Wait as long as the rates ask for."""
        while self._rate is not None and (wait_ms := self._rate.take(address, count)):
            await asyncio.sleep(wait_ms / 1000)
        while wait_ms := self.rate_wait_ms(count):
            await asyncio.sleep(wait_ms / 1000)

    def headers(self) -> Headers:
        """The record headers of a message that came now."""
        return [("summit.received-at", b"%d" % self._clock.now_ms()), *self._headers]

    def hand_over(self, shaped: Shaped, size_bytes: int, client: str | None, seq: int) -> Handed:
        """Give the records of a message to the producer; of a repeated one what is not written."""
        if client is not None:
            key = f"{client}:{seq}"
            earlier = self._unclear.get(key)
            if earlier is not None and self._unclear.digest(key) == _digest_of(shaped.drafts):
                return self._delivery.resend(earlier)
        return self._delivery.hand_over(shaped.drafts, size_bytes)

    def left_unclear(self, client: str, seq: int, handed: Handed) -> None:
        """A message will come again of which it is not known whether it was written."""
        self._unclear.keep(f"{client}:{seq}", _digest_of(handed.drafts), handed)

    async def drain(self, handed: Sequence[Handed]) -> None:
        """Wait for what comes again; it is counted then."""
        settling = (self._delivery.settle(one) for one in handed)
        await asyncio.gather(*settling, return_exceptions=True)

    async def settle(self, shaped: Shaped, handed: Handed) -> list[Outcome]:
        """What became of them. Raises Unavailable."""
        try:
            outcomes = await self._delivery.settle(handed)
        except SummitError as error:
            self._rejected.add(len(handed.drafts))
            self._note_error(error)
            raise
        self._count(shaped, handed, outcomes)
        return outcomes

    def count_refused(self, error: SummitError) -> None:
        """A message was refused."""
        self._rejected.add(1)
        self._note_error(error)

    async def send(self, socket: Any, text: str) -> None:
        """Answer; nobody minds when the other side is gone."""
        with contextlib.suppress(ConnectionClosed):
            await socket.send(text)

    def note(self, client: str, seq: int) -> None:
        """Every message of the client up to this one is done."""
        self._seqs[client] = seq
        self._unclear.forget(f"{client}:{seq}")

    async def _write_notes(self) -> None:
        while True:
            await asyncio.sleep(NOTE_EVERY_S)
            await self._flush_notes()

    async def _flush_notes(self) -> None:
        for client, seq in list(self._seqs.items()):
            note = Note(at=self._clock.now_ms(), answer=str(seq))
            try:
                await self._notes.put(client, note, self.options.ack_timeout_ms)
            except SummitError as error:
                self._note_error(error)
                return  # the next turn tries again; till then the log itself tells
            if self._seqs.get(client) == seq:
                del self._seqs[client]


def _digest_of(drafts: Sequence[Draft]) -> str:
    """What stands for the content of a message."""
    digest = hashlib.blake2b(digest_size=16)
    for draft in drafts:
        digest.update(b"%d:" % len(draft.value) + draft.value)
    return digest.hexdigest()


def _subprotocol(_: Any, offered: Any) -> Any:
    """Ours, if it is offered; a client that offers others is served without one."""
    return SUBPROTOCOL if SUBPROTOCOL in offered else None
