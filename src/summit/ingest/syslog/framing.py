"""Where syslog messages begin and end in a stream of bytes. Pure, no sockets.

    13 <14>app: hello<14>…     octet counting: the length in bytes, a space, the message
    <14>app: hello\\n          newline: a line feed ends a message, or a NUL

What is longer than may be is kept up to the limit and skipped to its end, so memory stays bounded
whatever comes. Source: RFC 6587, sections 3.4.1 and 3.4.2; NUL as Python's SysLogHandler sends it.
"""

from __future__ import annotations

import re
from typing import Final, Literal, NamedTuple

from summit.base.errors import Invalid

Framing = Literal["auto", "octetCounting", "newline", "nul"]

_COUNT_DIGITS_MAX: Final = 9
_COUNTED: Final = re.compile(rb"([1-9]\d{0,8}) <")
_HEAD: Final = re.compile(rb"([1-9]\d{0,8}) ")
_PART_OF_HEAD: Final = re.compile(rb"[1-9]\d{0,8} ?")
_ENDS: Final = {"newline": re.compile(rb"[\n\0]"), "nul": re.compile(rb"\0")}
_BLANK: Final = b" \t\r\n\0"
_BETWEEN: Final = b"\r\n\0"  # what some senders write between counted messages


class Frame(NamedTuple):
    """One message, or what there is of it, and then why it is none."""

    data: bytes
    fault: Invalid | None = None


class Framer:
    """Cuts the bytes of one connection into messages.

    Args:
        framing: How messages end; `auto` decides by the first bytes of the connection.
        message_bytes_max: What is longer is a fault, and only its beginning is kept.
    """

    def __init__(self, framing: Framing, message_bytes_max: int) -> None:
        self._framing: Framing = framing
        self._limit = message_bytes_max
        self._buffer = b""
        self._size = 0  # of the message that is under way, with what was skipped of it
        self._wanted = 0  # the count of the message that is under way
        self.is_broken = False  # where the next message begins is not known

    @property
    def is_inside(self) -> bool:
        """Whether a message has begun that has not ended."""
        return bool(self._buffer or self._size or self._wanted)

    def feed(self, data: bytes) -> list[Frame]:
        """The messages that end in these bytes; empty ones are left out."""
        frames: list[Frame] = []
        if self._framing == "auto":
            data, self._buffer = (self._buffer + data).lstrip(_BETWEEN), b""
            if not self._decide(data):
                self._buffer = data  # at most a count and its space
                return frames
        if self.is_broken:
            return frames
        if self._framing == "octetCounting":
            if self._buffer and not self._wanted:
                data, self._buffer = self._buffer + data, b""
            self._counted(data, frames)
        else:
            self._ended(data, _ENDS[self._framing], frames)
        return frames

    def end(self, *, is_clean: bool) -> list[Frame]:
        """What is left when no more comes.

        Args:
            is_clean: The sender closed the connection: a line without its end is whole then.
        """
        data, size = self._buffer, max(self._size, len(self._buffer))
        is_line = self._framing != "octetCounting"
        is_open = self.is_inside
        self._buffer, self._size, self._wanted = b"", 0, 0
        if not is_open or (is_line and not data.strip(_BLANK)):
            return []
        if is_line and is_clean:
            return [self._frame(data, size)]
        return [Frame(data[: self._limit], Invalid("syslog.cut_off", size_bytes=size))]

    def _decide(self, data: bytes) -> bool:
        """Whether the framing is known by now."""
        if _COUNTED.match(data):
            self._framing = "octetCounting"
        elif data and _PART_OF_HEAD.fullmatch(data) is None:
            self._framing = "newline"
        else:
            return False
        return True

    # ---- a mark at the end ----

    def _ended(self, data: bytes, mark: re.Pattern[bytes], frames: list[Frame]) -> None:
        start = 0
        for found in mark.finditer(data):
            self._keep(data, start, found.start())
            if self._buffer.strip(_BLANK):
                frames.append(self._frame(self._buffer, self._size))
            self._buffer, self._size = b"", 0
            start = found.end()
        self._keep(data, start, len(data))

    def _keep(self, data: bytes, start: int, stop: int) -> None:
        room = self._limit + 1 - len(self._buffer)  # one for a carriage return
        if room > 0:
            part = data[start : min(stop, start + room)]
            self._buffer = self._buffer + part if self._buffer else part
        self._size += stop - start

    # ---- a count at the beginning ----

    def _counted(self, data: bytes, frames: list[Frame]) -> None:
        position = 0
        while True:
            if self._wanted:
                stop = min(len(data), position + self._wanted - self._size)
                self._keep(data, position, stop)
                position = stop
                if self._size < self._wanted:
                    return
                frames.append(self._frame(self._buffer, self._size))
                self._buffer, self._size, self._wanted = b"", 0, 0
            while data[position : position + 1] in (b"\n", b"\r", b"\0"):
                position += 1
            rest = data[position : position + _COUNT_DIGITS_MAX + 1]
            head = _HEAD.match(rest)
            if head is not None:
                self._buffer, self._wanted = b"", int(head[1])
                position += head.end()
            elif not rest or _PART_OF_HEAD.fullmatch(rest):
                self._buffer = rest
                return
            else:
                self.is_broken = True
                self._buffer = b""
                rest = data[position : position + self._limit]
                frames.append(Frame(rest, Invalid("syslog.framing", found=repr(rest[:20])[2:-1])))
                return

    def _frame(self, data: bytes, size: int) -> Frame:
        data, whole = data.rstrip(_BETWEEN), len(data) == size
        if len(data) > self._limit or not whole:
            fault = Invalid("syslog.too_long", size_bytes=size, limit=self._limit)
            return Frame(data[: self._limit], fault)
        return Frame(data)
