"""Traces: spans by OpenTelemetry once `start_tracing` was called; before that, nothing at all.

A trace goes from a request through the headers of its records (`traceparent`, W3C Trace Context) to
the alert and its notices. Spans are sent over OTLP/HTTP by a thread of the library's; where to, and
which are kept, is said by OpenTelemetry's own variables (OTEL_EXPORTER_OTLP_ENDPOINT,
OTEL_TRACES_SAMPLER, OTEL_RESOURCE_ATTRIBUTES …). What the receiver does not take in time is dropped
by the library, which says so in the log.
"""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Hashable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final, Literal

from summit.base.errors import Invalid

TRACEPARENT: Final = "traceparent"
EXTRA: Final = "otel"
Kind = Literal["internal", "server", "client", "producer", "consumer"]

_FORM: Final = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
_KNOWN_MAX: Final = 50_000
_FLUSH_S: Final = 5.0
_active: _Tracing | None = None


class Span:
    """A stretch of work; this one is of nobody who traces."""

    traceparent: str | None = None

    def set(self, name: str, value: str | int | float) -> None:
        """Say more of it."""

    def fail(self, reason: str) -> None:
        """It went wrong."""

    def end(self) -> None:
        """It is over; for spans that were begun by `begin_span`."""


_NOBODYS: Final = Span()


def start_tracing(service: str, exporter: Any = None) -> None:
    """Trace what this process does from now on.

    Args:
        service: Its name in traces, where OTEL_SERVICE_NAME says no other.
        exporter: Takes the spans; by default OTLP over HTTP.
    Raises: Invalid("extra.missing"); Invalid("config.invalid") where OTLP over gRPC is asked for.
    """
    global _active
    _active = _Tracing(service, exporter)


def stop_tracing() -> None:
    """Send what is left, for at most five seconds, and trace no more. Idempotent."""
    global _active
    tracing, _active = _active, None
    if tracing is not None:
        sending = threading.Thread(target=tracing.shutdown, name="tracing-end", daemon=True)
        sending.start()
        sending.join(_FLUSH_S)


def is_tracing() -> bool:
    """Whether this process traces: for what costs something to find out."""
    return _active is not None


def span(
    name: str,
    kind: Kind = "internal",
    *,
    parent: str | None = None,
    links: Iterable[str] = (),
    attributes: Mapping[str, Any] | None = None,
) -> Any:
    """A context manager that gives the `Span` of what is done in it; an error marks it.

    Args:
        parent: A `traceparent`; by default the span around this one, and without one a new trace.
        links: Those of other traces that it belongs to, too.
    """
    if _active is None:
        return _nobodys()
    return _active.around(name, kind, parent, links, attributes)


def begin_span(
    name: str, kind: Kind, *, parent: str, attributes: Mapping[str, Any] | None = None
) -> Span:
    """A span of what goes on beside other things; `end` ends it."""
    return _NOBODYS if _active is None else _active.begin(name, kind, parent, (), attributes)


def traceparent() -> str | None:
    """The context of the span around this; None where there is none."""
    return None if _active is None else _active.current()


def checked_traceparent(text: str | bytes | None) -> str | None:
    """A `traceparent` that has its form; None for anything else."""
    if isinstance(text, bytes):
        text = text.decode("latin-1")
    return text if text and _FORM.fullmatch(text) else None


class TraceIndex:
    """What belongs to which trace; of the last 50,000 that were put in."""

    def __init__(self) -> None:
        self._known: dict[Hashable, str] = {}

    def put(self, key: Hashable, context: str) -> None:
        """Remember it."""
        self._known[key] = context
        if len(self._known) > _KNOWN_MAX:
            del self._known[next(iter(self._known))]

    def get(self, key: Hashable) -> str | None:
        """Its `traceparent`, or None."""
        return self._known.get(key)


@contextmanager
def _nobodys() -> Iterator[Span]:
    yield _NOBODYS


class _Own(Span):
    """A span of the library's."""

    def __init__(self, library: Any) -> None:
        self.library = library
        context = library.get_span_context()
        self.traceparent = (
            f"00-{context.trace_id:032x}-{context.span_id:016x}-{int(context.trace_flags):02x}"
        )

    def set(self, name: str, value: str | int | float) -> None:
        self.library.set_attribute(name, value)

    def fail(self, reason: str) -> None:
        from opentelemetry.trace import StatusCode

        self.library.set_status(StatusCode.ERROR, reason)

    def end(self) -> None:
        self.library.end()


class _Tracing:
    """The library, as this process uses it. Nothing of it is set for the whole interpreter."""

    def __init__(self, service: str, exporter: Any) -> None:
        try:
            from opentelemetry import trace
            from opentelemetry.sdk.resources import Resource
            from opentelemetry.sdk.trace import TracerProvider
            from opentelemetry.sdk.trace.export import BatchSpanProcessor
        except ImportError as error:
            raise Invalid("extra.missing", what="traces by OpenTelemetry", extra=EXTRA) from error
        named = "OTEL_SERVICE_NAME" in os.environ or "service.name=" in os.environ.get(
            "OTEL_RESOURCE_ATTRIBUTES", ""
        )
        resource = Resource.create({} if named else {"service.name": service})
        self._provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        self._provider.add_span_processor(BatchSpanProcessor(exporter or _otlp()))
        self._tracer = self._provider.get_tracer("summit")
        self._trace = trace

    def shutdown(self) -> None:
        self._provider.shutdown()

    def current(self) -> str | None:
        library = self._trace.get_current_span()
        return _Own(library).traceparent if library.get_span_context().is_valid else None

    @contextmanager
    def around(
        self, name: str, kind: Kind, parent: str | None, links: Iterable[str],
        attributes: Mapping[str, Any] | None,
    ) -> Iterator[Span]:  # fmt: skip
        own = self.begin(name, kind, parent, links, attributes)
        with self._trace.use_span(own.library, end_on_exit=True):
            yield own

    def begin(
        self, name: str, kind: Kind, parent: str | None, links: Iterable[str],
        attributes: Mapping[str, Any] | None,
    ) -> _Own:  # fmt: skip
        trace = self._trace
        checked = checked_traceparent(parent)
        around = None
        if checked is not None:
            around = trace.set_span_in_context(trace.NonRecordingSpan(self._context(checked)))
        library = self._tracer.start_span(
            name,
            context=around,
            kind=trace.SpanKind[kind.upper()],
            attributes=attributes,
            links=[trace.Link(self._context(each)) for each in links],
        )
        return _Own(library)

    def _context(self, text: str) -> Any:
        _, trace_id, span_id, flags = text.split("-")
        return self._trace.SpanContext(
            int(trace_id, 16), int(span_id, 16), is_remote=True,
            trace_flags=self._trace.TraceFlags(int(flags, 16)),
        )  # fmt: skip


def _otlp() -> Any:
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    except ImportError as error:
        raise Invalid("extra.missing", what="traces over OTLP", extra=EXTRA) from error
    for name in ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"):
        asked = os.environ.get(name)
        if asked not in (None, "http/protobuf"):
            reason = f"{name} is {asked}, and traces are sent over http/protobuf (port 4318)"
            raise Invalid("config.invalid", reason=reason, pointer=f"/{name}")
    return OTLPSpanExporter()
