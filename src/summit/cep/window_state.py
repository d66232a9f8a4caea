"""The windows of one key as bytes: what is saved in a changelog, and kept of keys at rest.

MessagePack list, version 1 (the version travels beside the bytes, not in them):

    [what the kind of window keeps (`trailing.py`, `aligned.py`, `sessions.py`, `grouped.py`),
     base time,
     [[topic, partition], ...],
     [[time, own time, index of its topic partition, offset, src, value, whole], ...]]

Times of events are milliseconds after the base time, own times after the event's time.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from summit.base.errors import Corrupt
from summit.cep.window_keys import Windows
from summit.keyed.captured import Captured, Move, Origins

WINDOW_STATE_VERSION: Final = 1
WINDOW_STATE_ID_END: Final = "/window"  # so end the state ids of window rules, and no others

_EventRow = tuple[int, int, int, int, str | None, bytes, int]
_Rows = tuple[Any, int, list[tuple[str, int]], list[_EventRow]]

_ENCODER: Final = msgspec.msgpack.Encoder()
_decode = msgspec.msgpack.Decoder(_Rows).decode


def dump_windows(windows: Windows, state: Any) -> bytes:
    """The windows of a key as bytes."""
    plain, evidence = windows.plain(state)
    base = min((event.time_ms for event in evidence), default=0)
    origins: dict[tuple[str, int], int] = {}
    rows: list[_EventRow] = []
    for event in evidence:
        place = (event.origin.topic, event.origin.partition)
        origin = origins.setdefault(place, len(origins))
        at, own = event.time_ms - base, event.own_ms - event.time_ms
        rows.append((at, own, origin, event.offset, event.src, event.value, int(event.whole)))
    # The bytes that an encoder gives hold on to room they do not use; a copy does not.
    buffer = bytearray()
    _ENCODER.encode_into((plain, base, list(origins), rows), buffer)
    return bytes(buffer)


def shrink_windows(windows: Windows, state: Any) -> bool:
    """Let go of a part of a key's windows, so that fewer bytes say them; False = it cannot.

    Where half of it are events that are kept to be shown, the older half of these goes, though not
    the last; where three quarters are, that too; else what figures are made of.
    """
    shown = windows.evidence(state)
    size = sum(len(event.value) for events in shown for event in events)
    whole = len(dump_windows(windows, state))
    if 2 * size > whole and _drop_older_half(shown, least=1):
        return True
    if 4 * size > 3 * whole and _drop_older_half(shown, least=0):
        return True
    return windows.shrink(state) or _drop_older_half(shown, least=0)


def _drop_older_half(shown: list[list[Captured]], *, least: int) -> bool:
    dropped = 0
    for events in shown:
        gone = min((len(events) + 1) // 2, len(events) - least)
        if gone > 0:
            del events[:gone]
            dropped += gone
    return dropped > 0


def load_windows(windows: Windows, data: bytes, version: int, origins: Origins) -> Any:
    """The windows that `dump_windows` wrote.

    Raises: Corrupt("pattern.state") for another version or bytes that are none of ours.
    """
    _check_version(version)
    try:
        plain, base, places, rows = _decode(data)
        known = [origins.of(topic, partition) for topic, partition in places]
        evidence = [
            Captured(0, base + at, base + at + own, known[origin], offset, src, value, bool(whole))
            for at, own, origin, offset, src, value, whole in rows
        ]
        return windows.load(plain, evidence)
    except (msgspec.MsgspecError, IndexError, ValueError, TypeError, OverflowError) as error:
        raise Corrupt("pattern.state", reason=str(error)) from error


def move_windows(data: bytes, version: int, move: Move) -> bytes:
    """The same windows with their events at the places where another cluster has them.

    Raises: Corrupt("pattern.state").
    """
    _check_version(version)
    try:
        plain, base, places, rows = _decode(data)
        moved: list[_EventRow] = []
        for at, own, origin, offset, src, value, whole in rows:
            topic, partition = places[origin]
            now_at, source = move(topic, partition, offset, src)
            moved.append((at, own, origin, now_at, source, value, whole))
    except (msgspec.MsgspecError, IndexError, ValueError) as error:
        raise Corrupt("pattern.state", reason=str(error)) from error
    return _ENCODER.encode((plain, base, places, moved))


def _check_version(version: int) -> None:
    if version != WINDOW_STATE_VERSION:
        known = f"version {WINDOW_STATE_VERSION} is known here"
        raise Corrupt("pattern.state", reason=f"it was written in version {version}, and {known}")
