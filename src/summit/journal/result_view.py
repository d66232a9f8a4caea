"""A view of queries' results: of each query its last windows, put together from their records."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from summit.base.logs import get_logger

WINDOWS_MAX: Final = 1_000
GROUPS_MAX: Final = 200_000
"""Kept of a query: the last windows, and no more groups than that in all."""

_decode = msgspec.json.Decoder(dict[str, Any]).decode
_encode = msgspec.json.Encoder(order="sorted").encode


class _Window:
    """One window; its groups by their keys, the last that was told of each."""

    __slots__ = ("groups", "head")

    def __init__(self, head: dict[str, Any]) -> None:
        self.head = head
        self.groups: dict[bytes, dict[str, Any]] = {}


class ResultView:
    """See the module. Told of records in log order."""

    def __init__(self) -> None:
        self._windows: dict[str, dict[tuple[int, int], _Window]] = {}
        self._groups: dict[str, int] = {}
        self.bad = 0

    def add(self, value: bytes) -> dict[str, Any] | None:
        """Take a record's value; gives it as it was told, None where it is none of ours."""
        try:
            result = _decode(value)
            query, bounds = result["queryId"], result["window"]
            place = (bounds["start"], bounds["end"])
            groups = [(_encode(group["keys"]), group) for group in result["groups"]]
        except (msgspec.MsgspecError, KeyError, TypeError) as error:
            self.bad += 1
            get_logger(__name__).warning("result.unreadable", error=str(error))
            return None
        windows = self._windows.setdefault(query, {})
        head = {name: value for name, value in result.items() if name not in _OF_A_RECORD}
        window = windows.get(place)
        if window is None:
            window = windows[place] = _Window(head)
        elif result["late"]:
            window.head = {**window.head, "late": True}
        for key, group in groups:
            if key not in window.groups:
                self._groups[query] = self._groups.get(query, 0) + 1
            window.groups[key] = group
            for gone in group.get("replaces", ()):
                self._drop(query, (gone["start"], gone["end"]), key)
        while len(windows) > WINDOWS_MAX or (
            self._groups.get(query, 0) > GROUPS_MAX and len(windows) > 1
        ):
            first = next(iter(windows))
            self._groups[query] -= len(windows.pop(first).groups)
        return result

    def _drop(self, query: str, place: tuple[int, int], key: bytes) -> None:
        """A group's window that is no more: a session that has grown."""
        windows = self._windows[query]
        window = windows.get(place)
        if window is not None and window.groups.pop(key, None) is not None:
            self._groups[query] -= 1
            if not window.groups:
                del windows[place]

    def forget(self, query: str) -> None:
        """Drop a query that is no more."""
        self._windows.pop(query, None)
        self._groups.pop(query, None)

    def results(self, query: str, limit: int) -> list[dict[str, Any]]:
        """The last windows of a query, the newest first; groups in order of their keys."""
        windows = sorted(self._windows.get(query, {}).items(), key=_end, reverse=True)[:limit]
        return [
            {**window.head, "groups": [group for _, group in sorted(window.groups.items())]}
            for _, window in windows
        ]


_OF_A_RECORD: Final = ("groups", "keyGroup")


def _end(row: tuple[tuple[int, int], _Window]) -> tuple[int, int]:
    (start, end), _ = row
    return end, start
