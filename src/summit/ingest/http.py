"""The HTTP collector: events are posted to it, and it answers after the broker's acknowledgement.

    POST /ingest   application/json: an object or an array of objects; application/x-ndjson and
                   application/jsonl: an object a line
    200 {"status": "ok", "accepted": 2, "rejected": 0,
         "results": [{"index": 0, "partition": 3, "offset": 17}, …]}
    400 an event is not a JSON object (nothing of the request is written) · 413 · 415
    429 the client's rate, or too much waits for the broker · 503 the broker is away, or stopping

Guarantee: at least once. A request without an answer, or answered 503 after its events were
handed over, may have been written; sent again it is written again.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

import msgspec

from summit.base.clock import Clock
from summit.base.emitter import Emitter
from summit.base.errors import Invalid, SummitError, Unavailable
from summit.base.limits import INGEST_FLUSH_INTERVAL_MS
from summit.events.fields import compile_path
from summit.ingest.bodies import Batch, Limits, key_reader, parse_body
from summit.ingest.collector import Collector
from summit.ingest.gates import Gate
from summit.ingest.producing import Ack, Producer, forget, wait_all
from summit.ingest.rates import RateLimit
from summit.ingest.settings import HTTP_PATH, CollectorConfig
from summit.ingest.topics import addresses_of, ensure_topic
from summit.web import Request, Response, Routes, WebServer, json_response, make_app, media_type

RETRY_AFTER_MS: Final = 1_000
DRAIN_EXTRA_MS: Final = 2_000  # after the last acknowledgement, for the answers to leave

Headers = list[tuple[str, bytes]]


class Result(msgspec.Struct, frozen=True):
    """Where one event of a request went."""

    index: int
    partition: int
    offset: int


class HttpCollector(Collector):
    """Takes events over HTTP and writes them to its topic.

    Args:
        config: Its configuration, of type `http`.
        producer: Only for `async with`; else `start` gets it.
        clock: Where time comes from.
    """

    type = "http"

    def __init__(
        self,
        config: CollectorConfig,
        *,
        producer: Producer | None = None,
        clock: Clock | None = None,
    ) -> None:
        super().__init__(config, producer=producer, clock=clock)
        options = config.http_options
        self._options = options
        self._limits = Limits(options.max_events_per_request, options.max_event_bytes)
        self._key_of = key_reader(compile_path(config.key_field)) if config.key_field else None
        self._headers = [(name, text.encode()) for name, text in options.headers.items()]
        self._copied = [(name, name.lower()) for name in options.request_headers]
        self._rate: RateLimit | None = None
        if options.rate_limit is not None:
            burst = options.rate_burst or max(1, round(options.rate_limit))
            self._rate = RateLimit(options.rate_limit, burst, self._clock)
        self._gate: Gate | None = None
        if config.batch_size is not None:
            self._gate = Gate(config.batch_size, config.flush_interval or INGEST_FLUSH_INTERVAL_MS)
        self._server: WebServer | None = None
        self._told_by: Emitter | None = None
        self._in_flight_bytes = 0
        self._away_until_ms: float | None = None
        self._away_reason = ""

    @property
    def address(self) -> str | None:
        """`host:port` where it listens; the real port after `start`."""
        return self._server.address if self._server is not None else None

    @property
    def port(self) -> int:
        """The port where it listens."""
        return self._server.port if self._server is not None else self.config.listen_port

    async def _open(self, producer: Producer) -> None:
        addresses = addresses_of(producer)
        if addresses:
            await ensure_topic(addresses, self.config.topic)
        routes = Routes()
        routes.post(
            self.config.path or HTTP_PATH, self._ingest, body_bytes_max=self._options.max_body_bytes
        )
        server = WebServer(
            make_app(routes),
            self.config.host,
            self.config.listen_port,
            drain_ms=self._options.ack_timeout_ms + DRAIN_EXTRA_MS,
        )
        self._away_until_ms = None
        if isinstance(producer, Emitter):
            self._told_by = producer
            producer.on("error", self._producer_told)
        await server.start()
        self._server = server

    async def _close(self) -> None:
        if self._gate is not None:
            self._gate.open()
        if self._server is not None:
            await self._server.stop()
            self._server = None
        if self._told_by is not None:
            self._told_by.off("error", self._producer_told)
            self._told_by = None

    def _producer_told(self, payload: Any) -> None:
        """The producer has lost all brokers: refuse at once instead of letting requests wait."""
        error = payload.get("error")
        if isinstance(error, Unavailable) and error.code == "client.no_brokers":
            self._broker_lost(error)

    def _details(self) -> dict[str, Any]:
        return {"inFlightBytes": self._in_flight_bytes}

    async def _ingest(self, request: Request) -> Response:
        self._check_open()
        try:
            body = await request.body()
            batch = parse_body(media_type(request), body, self._limits)
        except Invalid as error:
            self._rejected += 1
            self._note_error(error)
            raise
        self._check_room(request, batch, len(body))
        self._in_flight_bytes += len(body)
        try:
            acks = await self._write(batch, self._record_headers(request))
        except SummitError as error:
            self._rejected += len(batch.slices)
            self._note_error(error)
            raise
        finally:
            self._in_flight_bytes -= len(body)
        self._note_accepted(len(acks), sum(map(len, batch.slices)))
        return self._answer(request, acks)

    def _check_open(self) -> None:
        """Refuse while not running, and at once while the broker is known to be away."""
        if self._state not in ("running", "degraded"):
            self._rejected += 1
            raise Unavailable(
                "collector.not_taking",
                name=self.name,
                state=self._state,
                retry_after_ms=RETRY_AFTER_MS,
            )
        if self._away_until_ms is not None and self._clock.monotonic_ms() < self._away_until_ms:
            self._rejected += 1
            raise self._away()

    def _check_room(self, request: Request, batch: Batch, size_bytes: int) -> None:
        count = len(batch.slices)
        wait_ms = self._rate.take(request.remote_address, count) if self._rate is not None else 0
        if wait_ms:
            self._rejected += count
            raise Unavailable("ingest.rate_limited", name=self.name, retry_after_ms=wait_ms)
        limit = self._options.max_in_flight_bytes
        if self._in_flight_bytes and self._in_flight_bytes + size_bytes > limit:
            self._rejected += count
            raise Unavailable(
                "ingest.queue_full", name=self.name, limit=limit, retry_after_ms=RETRY_AFTER_MS
            )

    def _record_headers(self, request: Request) -> Headers:
        headers = [("summit.received-at", b"%d" % self._clock.now_ms()), *self._headers]
        for name, lower in self._copied:
            text = request.headers.get(lower)
            if text is not None:
                headers.append((name, text.encode("latin-1")))
        return headers

    async def _write(self, batch: Batch, headers: Headers) -> list[Ack]:
        """Hand the events over and wait until the broker has all of them."""
        if self._gate is not None:
            await self._gate.wait(len(batch.slices))
        futures = self._send(batch, headers)
        if not await wait_all(futures, self._options.ack_timeout_ms):
            forget(futures)
            raise self._broker_lost()
        failed = next((one for one in futures if one.cancelled() or one.exception()), None)
        if failed is None:
            self._broker_back()
            return [future.result() for future in futures]
        forget(futures)
        error = None if failed.cancelled() else failed.exception()
        if isinstance(error, SummitError) and error.code.startswith("record."):
            raise error
        raise self._broker_lost(error) from error

    def _send(self, batch: Batch, headers: Headers) -> list[asyncio.Future[Any]]:
        assert self._producer is not None
        send, topic, key_of = self._producer.send_nowait, self.config.topic, self._key_of
        futures: list[asyncio.Future[Any]] = []
        try:
            if key_of is None:
                for part in batch.slices:
                    futures.append(send(topic, part, None, headers))
            else:
                for part, value in zip(batch.slices, batch.values, strict=True):
                    futures.append(send(topic, part, key_of(value), headers))
        except Unavailable as error:
            forget(futures)
            raise Unavailable(
                "ingest.queue_full",
                name=self.name,
                limit=str(error),
                retry_after_ms=RETRY_AFTER_MS,
            ) from error
        except SummitError:
            forget(futures)
            raise
        return futures

    def _broker_lost(self, error: BaseException | None = None) -> Unavailable:
        """Refuse new requests for a moment; the first one after it tries the broker again."""
        self._away_until_ms = self._clock.monotonic_ms() + RETRY_AFTER_MS
        self._away_reason = "no answer in time" if error is None else str(error)
        if self._state == "running":
            self._state = "degraded"
        return self._away()

    def _broker_back(self) -> None:
        self._away_until_ms = None
        if self._state == "degraded":
            self._state = "running"

    def _away(self) -> Unavailable:
        return Unavailable(
            "ingest.broker_away", reason=self._away_reason, retry_after_ms=RETRY_AFTER_MS
        )

    def _answer(self, request: Request, acks: list[Ack]) -> Response:
        answer: dict[str, Any] = {"status": "ok", "accepted": len(acks), "rejected": 0}
        if len(acks) <= self._options.max_results or request.query_params.get("results") == "true":
            answer["results"] = [
                Result(index, ack.partition, ack.offset) for index, ack in enumerate(acks)
            ]
        return json_response(answer)
