"""The HTTP collector: events are posted to it, and it answers after the broker's acknowledgement.

    POST /ingest   application/json: an object or an array of objects; application/x-ndjson and
                   application/jsonl: an object a line; CloudEvents in all three modes; each plain,
                   or compressed with gzip, zstd or deflate
    POST /ingest/{topic}  with `allowedTopics`: the same to a topic of the sender's choice
    POST /v1/logs  with `otlp`: logs of OpenTelemetry, Protobuf or JSON (`otlp.py`)
    200 {"status": "ok", "accepted": 2, "rejected": 0,
         "results": [{"index": 0, "partition": 3, "offset": 17}, …]}
    400 an event is not a JSON object (nothing of the request is written) · 401 · 408 · 413 · 415
    422 it does not fit the schema · 409, 422 the idempotency key is in flight, or for other content
    429 the client's rate, or too much waits for the broker · 503 the broker is away, or stopping

With `onError: skip` the events that are good are written, and `results` says why others were not.

Guarantee: with an `Idempotency-Key` (or the id of a signed webhook) effectively once, also when the
collector is killed. Without one at least once: a request without an answer, or answered 503 or 429
after its events were handed over, may have been written in part; sent again it is written again. So
may the other events of one that only the broker refuses (413: with key and headers above its
limit).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from importlib import import_module
from typing import Any, Final

from summit.base.clock import Clock
from summit.base.errors import Invalid, SummitError, Unavailable
from summit.base.tracing import TRACEPARENT, traceparent
from summit.ingest.bodies import Batch, Limits, parse_body, parse_leniently
from summit.ingest.checks import bad_setting
from summit.ingest.http import cloudevents
from summit.ingest.http.signatures import Signatures
from summit.ingest.idempotency import HEADER
from summit.ingest.producing import Producer
from summit.ingest.requests import Requests
from summit.ingest.settings import CollectorConfig
from summit.ingest.shaping import Headers
from summit.ingest.taking import TakingCollector
from summit.ingest.templates import topic_check
from summit.web import (
    Request,
    Response,
    Routes,
    WebServer,
    json_response,
    make_app,
    media_type,
    problem_response,
)

OTLP_PATH: Final = "/v1/logs"
_UNDECLARED_BYTES: Final = 1 << 20  # what a body in chunks counts as while it comes
DRAIN_EXTRA_MS: Final = 2_000  # after the last acknowledgement, for the answers to leave


class HttpCollector(TakingCollector):
    """Takes events over HTTP and writes them to its topic.

    Args:
        config: Its configuration, of type `http`.
        producer: Only for `async with`; else `start` gets it.
        clock: Where time comes from.
    """

    type = "http"
    guarantee = "effectively_once"

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
        if options.otlp:
            import_module("summit.ingest.otlp")  # its library is an extra: said at once
            if config.route == OTLP_PATH:
                raise bad_setting("/path", f"{OTLP_PATH} is where otlp is: choose another path")
        self._limits = Limits(
            options.max_events_per_request, options.max_event_bytes, options.max_body_bytes
        )
        self._allows = topic_check(config.allowed_topics, config.topic)
        self._copied = [(name, name.lower()) for name in options.request_headers]
        self._requests = Requests(
            self, self._delivery, self._notes, self._clock, prefix=self._prefix
        )
        self._signatures: Signatures | None = None
        self._server: WebServer | None = None
        self._reading_bytes = 0

    @property
    def address(self) -> str | None:
        """`host:port` where it listens; the real port after `start`."""
        return self._server.address if self._server is not None else None

    @property
    def port(self) -> int:
        """The port where it listens."""
        return self._server.port if self._server is not None else self.config.listen_port

    async def _listen(self) -> None:
        options = self._options
        if options.auth.type == "signature":
            self._signatures = Signatures(options.auth)
        elif options.auth.type != "none":
            await self._open_auth(options.auth)
        routes = Routes()
        route, most = self.config.route, options.max_body_bytes
        routes.post(route, self._ingest, body_bytes_max=most)
        if self.config.allowed_topics:
            routes.post(f"{route.rstrip('/')}/{{topic}}", self._ingest, body_bytes_max=most)
        if options.otlp:
            routes.post(OTLP_PATH, self._otlp, body_bytes_max=most)
        server = WebServer(
            make_app(routes),
            self.config.host,
            self.config.listen_port,
            drain_ms=options.ack_timeout_ms + DRAIN_EXTRA_MS,
            tls=None if options.tls is None else options.tls.server_context(),
            max_connections=options.max_connections,
        )
        await server.start()
        self._server = server

    async def _hang_up(self) -> None:
        if self._server is not None:
            await self._server.stop()
            self._server = None

    def _details(self) -> dict[str, Any]:
        return {**super()._details(), "keysForgotten": self._notes.forgotten}

    # ---- one request ----

    async def _ingest(self, request: Request) -> Response:
        return await self._answered(request, self._events)

    async def _otlp(self, request: Request) -> Response:
        return await self._answered(request, self._logs)

    async def _answered(
        self, request: Request, take: Callable[[Request, bytes], Awaitable[Response]]
    ) -> Response:
        """Read a request that may come in, and take it; what is refused is counted."""
        try:
            self.check_open()
            if self._auth is not None:
                self._auth.check(request.headers)
            return await take(request, await self._read(request))
        except SummitError as error:
            if not error.details.pop("counted", False):
                self.count_refused(error)
            if error.code == "ingest.unauthorized" and self._auth is not None:
                challenge = self._auth.challenge
                more = {"WWW-Authenticate": challenge} if challenge else None
                return problem_response(error, request.scope, more)
            raise

    async def _read(self, request: Request) -> bytes:
        timeout_ms, limit = self._options.request_timeout_ms, self._options.max_in_flight_bytes
        declared = request.headers.get("content-length", "")
        size_bytes = int(declared) if declared.isdigit() else _UNDECLARED_BYTES
        size_bytes = min(size_bytes, self._options.max_body_bytes)
        # Bodies that are on their way take memory too.
        if self._reading_bytes and self._reading_bytes + size_bytes > limit:
            raise Unavailable(
                "ingest.queue_full", name=self.name, limit=limit, retry_after_ms=1_000
            )
        self._reading_bytes += size_bytes
        try:
            async with asyncio.timeout(timeout_ms / 1000):
                return await request.raw_body()
        except TimeoutError:
            raise Invalid("ingest.too_slow", timeout_ms=timeout_ms) from None
        finally:
            self._reading_bytes -= size_bytes

    async def _events(self, request: Request, raw: bytes) -> Response:
        key = request.headers.get(HEADER)
        if self._signatures is not None:
            now_ms = self._clock.now_ms()
            replay = self._signatures.check(request.headers, raw, now_ms)
            key = replay if key is None or replay is not None else key
        asked = request.path_params.get("topic")
        topic = None if asked is None else self._allows(asked)
        if key is None:
            return json_response(await self._take(request, raw, None, topic))
        return await self._take_once(request, raw, key, topic)

    async def _logs(self, request: Request, raw: bytes) -> Response:
        """Logs of OpenTelemetry; the answer is of the same kind as the body."""
        from summit.ingest import otlp

        body = request.unfolded(raw)
        media = media_type(request)
        headers, sender = self._record_headers(request), request.remote_address
        lost = await otlp.take(
            otlp.decode_body(media, body), self._options.otlp_event_type, self._limits,
            lambda part, is_later: self._requests.write_part(part, headers, sender, is_later),
        )  # fmt: skip
        return Response(otlp.answer_body(media, lost), media_type=media)

    async def _take_once(
        self, request: Request, raw: bytes, key: str, topic: str | None
    ) -> Response:
        """The answer to a request that has a key: the stored one, or a new one that is stored."""
        # The topic is part of what the key stands for.
        content = raw if topic is None else b"%s\n%s" % (topic.encode(), raw)
        note, answer = await self._requests.once(
            key, content, lambda: self._take(request, raw, key, topic)
        )
        if note is None:
            return json_response(answer)
        replayed = {"Idempotency-Replayed": "true"}
        return Response(note.answer, note.status, replayed, "application/json")

    async def _take(
        self, request: Request, raw: bytes, key: str | None, topic: str | None
    ) -> dict[str, Any]:
        """Write the events of a body; the answer when the broker has them."""
        batch = self._parse(request, raw)
        if self._signatures is not None and (challenge := self._challenge(batch)) is not None:
            return {"challenge": challenge}
        size_bytes = len(raw)
        if "content-encoding" in request.headers:
            size_bytes = sum(map(len, batch.slices))  # what it unfolded to
        taken = await self._requests.write(
            batch, self._record_headers(request), size_bytes, key, request.remote_address,
            topic=topic,
        )  # fmt: skip
        asked = request.query_params.get("results") == "true"
        return {"status": "ok", **taken.answer(with_all=asked)}

    def _challenge(self, batch: Batch) -> str | None:
        """What Slack sends once, to see who answers: no event."""
        if self._options.auth.preset != "slack" or len(batch.values) != 1:
            return None
        (value,) = batch.values
        challenge = value.get("challenge")
        is_one = value.get("type") == "url_verification" and isinstance(challenge, str)
        return challenge if is_one else None

    def _parse(self, request: Request, raw: bytes) -> Batch:
        body = request.unfolded(raw)
        media = media_type(request)
        if media in (cloudevents.STRUCTURED, cloudevents.BATCH):
            return cloudevents.parse_structured(media, body, self._limits)
        if cloudevents.is_binary(request.headers):
            return cloudevents.parse_binary(media, request.headers, body, self._limits)
        if self._options.on_error == "skip":
            return parse_leniently(media, body, self._limits)
        return parse_body(media, body, self._limits)

    def _record_headers(self, request: Request) -> Headers:
        headers = self.headers()
        for name, lower in self._copied:
            text = request.headers.get(lower)
            if text is not None:
                headers.append((name, text.encode("latin-1")))
        if (context := traceparent()) is not None:
            headers.append((TRACEPARENT, context.encode()))
        return headers
