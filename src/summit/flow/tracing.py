"""A worker's part in traces: which records bring a context, and the spans of what it does.

An alert belongs to the trace of the last event of its evidence that brought one; its record and its
entry in the alert log carry the context on. Nothing of this is in what is decided, nor in values.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from summit.alerts import Alert
from summit.base.tracing import (
    TRACEPARENT,
    Span,
    TraceIndex,
    begin_span,
    checked_traceparent,
    is_tracing,
    span,
)
from summit.keyed.chunks import Chunk, header_of

Headers = list[tuple[str, bytes | None]]

_LINKS_MAX: Final = 32  # to traces, of one batch


class WorkerTraces:
    """See the module; one session's. Free where nobody traces."""

    def __init__(self) -> None:
        self._contexts = TraceIndex()  # by topic, partition, offset
        self._open: list[Span] = []

    def batch(self, chunks: Sequence[Chunk]) -> Any:
        """The span of processing a batch, linked to the traces that its records belong to."""
        if not is_tracing():
            return span("worker batch")
        links = self.note(chunks)
        return span(
            "worker batch", "consumer", links=links,
            attributes={
                "messaging.system": "kafka",
                "messaging.operation.type": "process",
                "messaging.batch.message_count": sum(len(chunk.offsets) for chunk in chunks),
            },
        )  # fmt: skip

    def headers(self, alert: Alert) -> Headers | None:
        """Begin the span of an alert that is to be written; the headers of its records."""
        if not is_tracing():
            return None
        for event in reversed(alert.evidence):
            context = self._contexts.get((event.topic, event.partition, event.offset))
            if context is not None:
                break
        else:
            return None
        attributes = {
            "summit.alert.id": alert.id,
            "summit.alert.severity": alert.severity,
            "summit.rule": alert.pattern or "",
        }
        told = begin_span(
            f"alert {alert.pattern}", "producer", parent=context, attributes=attributes
        )
        self._open.append(told)
        return [(TRACEPARENT, (told.traceparent or context).encode())]

    def take_open(self) -> list[Span]:
        """The spans of alerts that are being written; whoever takes them ends them."""
        spans, self._open = self._open, []
        return spans

    def note(self, chunks: Sequence[Chunk]) -> list[str]:
        """Remember to which traces records belong; some of these traces."""
        if not is_tracing():
            return []
        links: dict[str, None] = {}
        for chunk in chunks:
            if chunk.headers is None:
                continue
            for offset, headers in zip(chunk.offsets, chunk.headers, strict=True):
                if not headers:
                    continue
                context = checked_traceparent(header_of(headers, TRACEPARENT))
                if context is not None:
                    self._contexts.put((chunk.topic, chunk.partition, offset), context)
                    if len(links) < _LINKS_MAX:
                        links[context] = None
        return list(links)
