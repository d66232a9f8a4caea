"""Traces: nothing where nobody asked for them; else spans that belong together."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from summit.base.errors import Invalid
from summit.base.tracing import (
    TraceIndex,
    begin_span,
    checked_traceparent,
    is_tracing,
    span,
    start_tracing,
    stop_tracing,
    traceparent,
)

GIVEN = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


@pytest.fixture
def spans() -> Iterator[InMemorySpanExporter]:
    exporter = InMemorySpanExporter()
    start_tracing("summit-test", exporter)
    yield exporter
    stop_tracing()


def test_off_is_nothing_and_loads_nothing() -> None:
    assert not is_tracing()
    with span("work", "server", parent=GIVEN) as traced:
        assert (traced.traceparent, traceparent()) == (None, None)
        traced.set("a", 1)
        traced.fail("no")
    begin_span("work", "producer", parent=GIVEN).end()
    code = (
        "import sys; import summit.base.tracing as t\nwith t.span('a'): pass\n"
        "sys.exit('opentelemetry' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0


def test_spans_are_children_of_what_is_around_them(spans: InMemorySpanExporter) -> None:
    with span("request", "server", parent=GIVEN, attributes={"http.route": "/a"}) as outer:
        assert traceparent() == outer.traceparent
        with span("send", "producer") as inner:
            beside = begin_span("alert", "producer", parent=inner.traceparent or "")
            beside.end()
    assert traceparent() is None
    stop_tracing()
    by_name: dict[str, Any] = {each.name: each for each in spans.get_finished_spans()}
    assert {f"{each.context.trace_id:032x}" for each in by_name.values()} == {GIVEN.split("-")[1]}
    assert by_name["request"].parent.span_id == int(GIVEN.split("-")[2], 16)
    assert by_name["send"].parent.span_id == by_name["request"].context.span_id
    assert by_name["alert"].parent.span_id == by_name["send"].context.span_id
    assert by_name["request"].attributes["http.route"] == "/a"
    assert by_name["request"].resource.attributes["service.name"] == "summit-test"


def test_what_is_not_sampled_is_passed_on_and_not_sent(spans: InMemorySpanExporter) -> None:
    with span("request", "server", parent=GIVEN[:-1] + "0"):
        context = traceparent()
    assert context is not None
    assert context.startswith(GIVEN[:36])
    assert context.endswith("-00")
    stop_tracing()
    assert spans.get_finished_spans() == ()


def test_a_context_without_form_begins_a_new_trace(spans: InMemorySpanExporter) -> None:
    def inner() -> None:
        with span("inner"):
            raise ValueError

    with span("request", "server", parent="nonsense", links=[GIVEN]), pytest.raises(ValueError):
        inner()
    stop_tracing()
    failed, outer = spans.get_finished_spans()
    assert outer.parent is None
    assert outer.links[0].context.span_id == int(GIVEN.split("-")[2], 16)
    assert not failed.status.is_ok


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (GIVEN, GIVEN), (GIVEN.encode(), GIVEN), (None, None), (b"", None), (b"\xff", None),
        (GIVEN.upper(), None), (f"{GIVEN}-1", None), (GIVEN.replace("4bf9", "zzzz"), None),
        (f"00-{'0' * 32}-00f067aa0ba902b7-01", None),
    ],
)  # fmt: skip
def test_only_what_has_the_form_is_a_context(text: Any, found: str | None) -> None:
    assert checked_traceparent(text) == found


def test_the_index_is_bounded() -> None:
    index = TraceIndex()
    for n in range(50_010):
        index.put(n, GIVEN)
    assert (index.get(9), index.get(10), index.get(50_009)) == (None, GIVEN, GIVEN)


def test_without_the_extra_the_command_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)
    with pytest.raises(Invalid, match=r"pip install 'summit-streams\[otel\]'"):
        start_tracing("summit-test")
    monkeypatch.undo()
    monkeypatch.setitem(
        sys.modules, "opentelemetry.exporter.otlp.proto.http.trace_exporter", None
    )  # fmt: skip
    with pytest.raises(Invalid, match=r"pip install 'summit-streams\[otel\]'"):
        start_tracing("summit-test")
    assert not is_tracing()


def test_another_protocol_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")
    with pytest.raises(Invalid, match="http/protobuf"):
        start_tracing("summit-test")
