"""Where syslog messages begin and end, however the bytes come in pieces."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from summit.ingest.syslog.framing import Frame, Framer, Framing

LONG = b"<1>" + b"x" * 50


def cut(data: bytes, cuts: list[int]) -> list[bytes]:
    edges = [0, *sorted(n % (len(data) + 1) for n in cuts), len(data)]
    return [data[a:b] for a, b in pairwise(edges)]


def run(framer: Framer, parts: list[bytes], *, is_clean: bool = True) -> list[Frame]:
    frames = [frame for part in parts for frame in framer.feed(part)]
    return frames + framer.end(is_clean=is_clean)


def told(frames: list[Frame]) -> list[tuple[bytes, str | None]]:
    return [(f.data, None if f.fault is None else f.fault.code) for f in frames]


bodies = st.lists(
    st.binary(max_size=40).map(lambda text: b"<13>" + text.translate(None, b"\r\n\0")), max_size=8
)
cuts = st.lists(st.integers(0, 10_000), max_size=12)


@given(bodies, cuts, st.sampled_from(["auto", "octetCounting"]), st.sampled_from([b"", b"\n"]))
@settings(deadline=None)
def test_counted_messages_wherever_they_are_cut(
    messages: list[bytes], where: list[int], framing: Framing, between: bytes
) -> None:
    data = b"".join(b"%d %s" % (len(text), text) + between for text in messages)
    framer = Framer(framing, 100)
    assert told(run(framer, cut(data, where))) == [(text, None) for text in messages]
    assert not framer.is_inside
    assert not framer.is_broken


@given(bodies, cuts, st.sampled_from(["auto", "newline"]), st.sampled_from([b"\n", b"\r\n", b"\0"]))
@settings(deadline=None)
def test_lines_wherever_they_are_cut(
    messages: list[bytes], where: list[int], framing: Framing, end: bytes
) -> None:
    data = end.join(messages)  # the last has no end: the sender hung up
    assert told(run(Framer(framing, 100), cut(data, where))) == [(text, None) for text in messages]


@given(st.binary(max_size=300), cuts, st.sampled_from(["auto", "octetCounting", "newline", "nul"]))
@settings(deadline=None)
def test_garbage_cut_anywhere_is_the_same_and_bounded(
    data: bytes, where: list[int], framing: Framing
) -> None:
    whole = Framer(framing, 20)
    cut_up = Framer(framing, 20)
    once, often = run(whole, [data], is_clean=False), run(cut_up, cut(data, where), is_clean=False)
    if not whole.is_broken:  # of what follows a broken count as much is kept as came with it
        assert told(once) == told(often)
    else:
        assert cut_up.is_broken
        assert told(once)[:-1] == told(often)[:-1]
    assert all(len(frame.data) <= 20 for frame in once + often)


def test_lines_within_a_message_that_ends_with_nul() -> None:
    framer = Framer("nul", 100)
    assert told(run(framer, [b"<11>Trace\n  File\0<11>x\0"])) == [
        (b"<11>Trace\n  File", None), (b"<11>x", None),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("framing", "data", "wanted"),
    [
        ("newline", LONG + b"\n<2>y\n", [(LONG[:20], "syslog.too_long"), (b"<2>y", None)]),
        ("newline", b"<1>" + b"x" * 17 + b"\r\n", [(b"<1>" + b"x" * 17, None)]),
        ("auto", b"53 " + LONG + b"4 <2>y", [(LONG[:20], "syslog.too_long"), (b"<2>y", None)]),
        # Wrong counts: too small, none, too many digits, too large.
        ("auto", b"5 <13>hello\n6 <1>x", [(b"<13>h", None), (b"ello\n6 <1>x", "syslog.framing")]),
        ("octetCounting", b"<13>hello", [(b"<13>hello", "syslog.framing")]),
        ("octetCounting", b"9999999999 <1>x", [(b"9999999999 <1>x", "syslog.framing")]),
        ("auto", b"19 <13>hello", [(b"<13>hello", "syslog.cut_off")]),
        # A line that begins with digits is no count.
        ("auto", b"2024-03-07T04:05:06Z\n", [(b"2024-03-07T04:05:06Z", None)]),
        ("auto", b"\n\n\n4 <2>y", [(b"<2>y", None)]),
    ],
)  # fmt: skip
def test_what_is_wrong(
    framing: Framing, data: bytes, wanted: list[tuple[bytes, str | None]]
) -> None:
    for parts in ([data], [data[n : n + 1] for n in range(len(data))]):
        framer = Framer(framing, 20)
        found = told(run(framer, parts))
        if framer.is_broken and len(parts) > 1:
            assert (found[:-1], found[-1][1]) == (wanted[:-1], "syslog.framing")
        else:
            assert found == wanted


def test_an_endless_line_is_not_kept() -> None:
    framer = Framer("auto", 1_000)
    for _ in range(100):
        assert framer.feed(b"x" * 65_536) == []
        assert framer.is_inside
    assert len(framer._buffer) <= 1_001
    ((data, fault),) = framer.end(is_clean=False)
    assert fault is not None
    assert (len(data), fault.details["size_bytes"]) == (1_000, 6_553_600)


def test_endless_empty_lines_are_not_kept() -> None:
    framer = Framer("auto", 1_000)
    for _ in range(100):
        assert framer.feed(b"\n\0\r" * 1_000) == []
    assert not framer.is_inside
