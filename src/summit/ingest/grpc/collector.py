"""The gRPC collector: events in calls and streams, answered after the broker's acknowledgement.

    summit.ingest.v1.Ingest    Publish, PublishMany, PublishStream: see `proto/`
    opentelemetry.proto.collector.logs.v1.LogsService    Export (extra `otlp`, in `grpc`)
    grpc.health.v1.Health and server reflection, for everybody

Guarantee: `Publish` with an id, and streams of clients that name themselves, effectively once, also
when the collector is killed; else at least once: a call that ends without its answer (a deadline,
UNAVAILABLE) may have been written, and is again when it is sent again.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any, Final

import msgspec

from summit.base.clock import Clock
from summit.base.errors import Conflict, Internal, Invalid, SummitError, Unavailable
from summit.base.limits import TLS_HANDSHAKE_MS
from summit.client.addresses import format_address
from summit.ingest.delivery import RETRY_AFTER_MS
from summit.ingest.producing import Producer
from summit.ingest.requests import Requests
from summit.ingest.settings import CollectorConfig
from summit.ingest.streaming import CLOSE_S, StreamingCollector, is_client_name

try:
    import grpc
    from grpc_health.v1 import health
    from grpc_health.v1.health_pb2 import HealthCheckResponse
    from grpc_health.v1.health_pb2_grpc import add_HealthServicer_to_server
    from grpc_reflection.v1alpha import reflection
except ImportError as missing:
    raise Invalid("extra.missing", what="gRPC", extra="grpc") from missing

from summit.ingest import otlp
from summit.ingest.grpc import messages
from summit.ingest.grpc.session import GONE, GrpcSession, SummingSession
from summit.ingest.grpc.status import abort

CLIENT: Final = "summit-client"
SEQ: Final = "summit-seq"
ANSWER_S: Final = 0.5  # how long the last answers may take to leave
_UNREAD_BYTES: Final = 1 << 20  # what a message counts as while it comes

Answer = Callable[[bytes, Any], Coroutine[Any, Any, bytes]]
Make = Callable[..., GrpcSession]


class GrpcCollector(StreamingCollector):
    """Takes events over gRPC and writes them to its topic.

    Args:
        config: Its configuration, of type `grpc`.
        producer: Only for `async with`; else `start` gets it.
        clock: Where time comes from.
    Raises: Invalid("extra.missing") without the extra `grpc`.
    """

    type = "grpc"

    def __init__(
        self,
        config: CollectorConfig,
        *,
        producer: Producer | None = None,
        clock: Clock | None = None,
    ) -> None:
        super().__init__(
            config, producer=producer, clock=clock,
            max_events=config.block.max_events_per_message,
            restart=(0, "the collector stops"), taken_over=(1, "another stream has the name"),
        )  # fmt: skip
        self._requests = Requests(
            self, self._delivery, self._notes, self._clock, prefix=self._prefix, mark="id:"
        )
        self._server: Any = None
        self._health: Any = None
        self._port: int | None = None
        self._reading_bytes = 0
        self._calls: set[asyncio.Task[Any]] = set()

    @property
    def address(self) -> str | None:
        """`host:port` where it listens; the real port after `start`."""
        return None if self._port is None else format_address(self.config.host, self._port)

    @property
    def port(self) -> int:
        """The port where it listens."""
        return self.config.listen_port if self._port is None else self._port

    # ---- life ----

    async def _listen(self) -> None:
        options = self.options
        credentials = None if options.tls is None else _credentials(options.tls)
        await self._begin()
        server = grpc.aio.server(
            options=_channel_options(options), maximum_concurrent_rpcs=options.max_calls
        )
        self._health = health.aio.HealthServicer()
        names = [messages.SERVICE, health.SERVICE_NAME]
        server.add_generic_rpc_handlers((self._handlers(),))
        if options.otlp:
            names.append(otlp.SERVICE)
            export = grpc.stream_unary_rpc_method_handler(self._calling(self._export))
            handler = grpc.method_handlers_generic_handler(otlp.SERVICE, {"Export": export})
            server.add_generic_rpc_handlers((handler,))
        add_HealthServicer_to_server(self._health, server)
        if options.reflection:
            reflection.enable_server_reflection((*names, reflection.SERVICE_NAME), server)
        place = format_address(self.config.host, self.config.listen_port)
        self._server = server
        try:
            if credentials is None:
                port = server.add_insecure_port(place)
            else:
                port = server.add_secure_port(place, credentials)
        except RuntimeError as error:
            raise _no_port(self.config.host, self.config.listen_port, place, error) from error
        await server.start()
        self._port = port
        self._keep_notes()
        await self._tell_health()

    def _handlers(self) -> Any:
        # As a stream even where one message comes: nothing is read before it is known that it may.
        return grpc.method_handlers_generic_handler(
            messages.SERVICE,
            {
                "Publish": grpc.stream_unary_rpc_method_handler(self._calling(self._publish)),
                "PublishMany": grpc.stream_unary_rpc_method_handler(self._many),
                "PublishStream": grpc.stream_stream_rpc_method_handler(self._stream),
            },
        )

    async def _hang_up(self) -> None:
        server, self._server = self._server, None
        if server is None:
            return
        await self._health.enter_graceful_shutdown()
        wait_s = self.options.ack_timeout_ms / 1000 + CLOSE_S
        # Nothing new from here on; what runs has that long.
        stopping = asyncio.create_task(server.stop(wait_s))
        await self._end_sessions()
        if self._calls:
            await asyncio.wait(self._calls, timeout=wait_s)
        # Who only watches (health, reflection) is not waited for.
        await server.stop(ANSWER_S)
        await stopping
        self._port = None

    async def pause(self) -> None:
        """Refuse calls and read no stream until `resume`. Raises: Conflict."""
        await super().pause()
        await self._tell_health()

    async def resume(self) -> None:
        """Go on after `pause`. Raises: Conflict."""
        await super().resume()
        await self._tell_health()

    def trouble(self, error: SummitError | None) -> None:
        """The broker cannot be reached for now; None: it can again."""
        before = self._state
        super().trouble(error)
        if self._state != before and self._is_listening:
            self._tasks.spawn(self._tell_health(), f"collector {self.name} health")

    async def _tell_health(self) -> None:
        if self._health is None:
            return
        serves = self._state in ("created", "running", "stopped", "failed") and self._is_listening
        status = HealthCheckResponse.SERVING if serves else HealthCheckResponse.NOT_SERVING
        names = ("", messages.SERVICE, *((otlp.SERVICE,) if self.options.otlp else ()))
        for name in names:
            await self._health.set(name, status)

    # ---- calls ----

    def _calling(self, take: Answer) -> Callable[[Any, Any], Coroutine[Any, Any, bytes]]:
        """The handler of a method that takes one message."""

        async def handle(_: AsyncIterator[bytes], context: Any) -> bytes:
            try:
                self.check_open()
                self._check_auth(context)
                raw = await self._read(context)
            except SummitError as error:
                self.count_refused(error)
                await abort(context, error)
                raise
            # To its end, also when its sender has gone: what was handed over is counted.
            task = asyncio.create_task(take(raw, context))
            self._calls.add(task)
            task.add_done_callback(self._called)
            try:
                return await asyncio.shield(task)
            except SummitError as error:
                await abort(context, error)
                raise
            except Exception as error:
                self._log.exception("collector.call_failed")
                await abort(context, Internal("internal", reason=repr(error)))
                raise

        return handle

    def _called(self, task: asyncio.Task[Any]) -> None:
        self._calls.discard(task)
        error = None if task.cancelled() else task.exception()
        if isinstance(error, SummitError) and not error.details.pop("counted", False):
            self.count_refused(error)

    async def _read(self, context: Any) -> bytes:
        """The message of a call."""
        options = self.options
        size_bytes = min(_UNREAD_BYTES, options.max_message_bytes)
        if self._reading_bytes and self._reading_bytes + size_bytes > options.max_in_flight_bytes:
            raise Unavailable(
                "ingest.queue_full", name=self.name, limit=options.max_in_flight_bytes,
                retry_after_ms=RETRY_AFTER_MS,
            )  # fmt: skip
        self._reading_bytes += size_bytes
        try:
            async with asyncio.timeout(options.request_timeout_ms / 1000):
                raw = await context.read()
        except TimeoutError:
            raise Invalid("ingest.too_slow", timeout_ms=options.request_timeout_ms) from None
        finally:
            self._reading_bytes -= size_bytes
        return raw if isinstance(raw, bytes) else b""

    async def _publish(self, raw: bytes, context: Any) -> bytes:
        request = messages.decode(raw)
        if not request.id:
            return _reply(await self._take(raw, request, context))
        note, answer = await self._requests.once(
            # The fields of a map have no order on the wire.
            request.id,
            request.SerializeToString(deterministic=True),
            lambda: self._take(raw, request, context),
        )
        if note is None:
            return _reply(answer)
        return _reply({**msgspec.json.decode(note.answer), "replayed": True})

    async def _take(self, raw: bytes, request: Any, context: Any) -> dict[str, Any]:
        leniently = self.options.on_error == "skip"
        message = messages.read(request, self.limits, leniently=leniently)
        taken = await self._requests.write(
            message.batch, self.headers(), len(raw), request.id or None, _peer(context),
            finish=lambda shaped: messages.with_extras(shaped, message.extras),
        )  # fmt: skip
        answer: dict[str, Any] = msgspec.to_builtins(taken.answer())
        return answer

    async def _export(self, raw: bytes, context: Any) -> bytes:
        limits = self.limits._replace(max_bytes=self.options.max_message_bytes)
        headers, sender = self.headers(), _peer(context)
        lost = await otlp.take(
            otlp.decode(raw), self.options.otlp_event_type, limits,
            lambda part, is_later: self._requests.write_part(part, headers, sender, is_later),
        )  # fmt: skip
        answer: bytes = otlp.response(lost).SerializeToString()
        return answer

    # ---- streams ----

    async def _many(self, incoming: AsyncIterator[bytes], context: Any) -> bytes:
        session = await self._serve(incoming, context, SummingSession)
        assert isinstance(session, SummingSession)
        summary: bytes = session.summary.SerializeToString()
        return summary

    async def _stream(self, incoming: AsyncIterator[bytes], context: Any) -> None:
        await self._serve(incoming, context, GrpcSession)

    async def _serve(self, incoming: AsyncIterator[bytes], context: Any, make: Make) -> GrpcSession:
        """Serve a stream to its end; what it ends with, if anything, is raised."""
        try:
            if not self._is_listening:
                self.check_open()
            self._check_auth(context)
            client = _metadata(context).get(CLIENT)
            if client is not None and not is_client_name(client):
                reason = f"{CLIENT} is 1 to 200 characters without ':'"
                raise Invalid("config.invalid", reason=reason, pointer="")
            session = await self._register(
                client, lambda seq: make(self, incoming, context, client, seq, _peer(context))
            )
            if session is None:
                raise Conflict("ingest.client_busy", client=client, retry_after_ms=RETRY_AFTER_MS)
        except SummitError as error:
            self.count_refused(error)
            await abort(context, error)
            raise
        assert isinstance(session, GrpcSession)
        running = self._tasks.spawn(self._run(session, context), f"collector {self.name} stream")
        try:
            await asyncio.shield(running)
        except asyncio.CancelledError:
            session.end(0, "its sender has gone")  # what was read is brought to its end
            raise
        if (fault := self._end_of(session)) is not None:
            await abort(context, fault, (SEQ, str(session.done_seq)))
        return session

    async def _run(self, session: GrpcSession, context: Any) -> None:
        try:
            with contextlib.suppress(*GONE):
                if session.client is not None:
                    await context.send_initial_metadata(((SEQ, str(session.done_seq)),))
                await session.run()
        finally:
            self._leave(session)

    def _end_of(self, session: GrpcSession) -> SummitError | None:
        """What a stream that ran ends with."""
        if session.fault is not None or session.goodbye is None:
            return session.fault
        if session.goodbye[0] == 1:
            return Conflict("ingest.client_busy", client=session.client)
        return Unavailable(
            "collector.not_taking", name=self.name, state=self._state, retry_after_ms=RETRY_AFTER_MS
        )

    def _check_auth(self, context: Any) -> None:
        if self._auth is not None:
            self._auth.check(_metadata(context))


def _reply(answer: dict[str, Any]) -> bytes:
    """The bytes of a `PublishReply`."""
    rows: list[dict[str, Any]] = []
    for row in answer.pop("results", ()):
        if "offset" in row:
            place = {"partition": row["partition"], "offset": row["offset"]}
            rows.append({"index": row["index"], "place": place})
        else:
            refusal = {"code": row["code"], "error": row["error"]}
            refusal["dead_letter"] = row.get("deadLetter", False)
            rows.append({"index": row["index"], "refusal": refusal})
    reply: bytes = messages.PublishReply(results=rows, **answer).SerializeToString()
    return reply


def _metadata(context: Any) -> dict[str, str]:
    """What came with a call, by names in lower case."""
    pairs = context.invocation_metadata() or ()
    return {key: value for key, value in pairs if isinstance(value, str)}


def _peer(context: Any) -> str:
    """The address of the other side, without its port."""
    peer: str = context.peer()
    return peer.rpartition(":")[0]


def _channel_options(options: Any) -> list[tuple[str, Any]]:
    return [
        ("grpc.so_reuseport", 0),  # a port that is taken is an error
        ("grpc.max_allowed_incoming_connections", options.max_connections),
        ("grpc.server_handshake_timeout_ms", TLS_HANDSHAKE_MS),
        ("grpc.max_receive_message_length", options.max_message_bytes),
        ("grpc.keepalive_time_ms", options.ping_interval_ms),
        ("grpc.keepalive_timeout_ms", options.ping_timeout_ms),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.min_ping_interval_without_data_ms", 5_000),
    ]


def _credentials(tls: Any) -> Any:
    """Credentials of the files, which are looked at as for every other listener."""
    tls.server_context()
    with open(tls.cert_file, "rb") as file:
        cert = file.read()
    with open(tls.key_file or tls.cert_file, "rb") as file:
        key = file.read()
    roots = None
    if tls.client_ca_file is not None:
        with open(tls.client_ca_file, "rb") as file:
            roots = file.read()
    return grpc.ssl_server_credentials(
        [(key, cert)], root_certificates=roots, require_client_auth=roots is not None
    )


def _no_port(host: str, port: int, place: str, error: Exception) -> SummitError:
    """Why a port could not be had: the library does not say."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with socket.socket(family) as probe:
            probe.bind((host, port))
    except OSError as reason:
        if reason.errno == errno.EADDRINUSE:
            return Conflict("web.port_in_use", address=place)
        return Invalid("web.bind_failed", address=place, reason=str(reason))
    return Invalid("web.bind_failed", address=place, reason=str(error))
