"""Character sets of text in the binary log: how to decode each, as the server itself would.

Sets of one byte a character are tables that the server tells (Python's of the same names differ,
and some it has not: swe7, geostd8, dec8); of the others Python has codecs, but for eucjpms.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from summit.ingest.database.mysql.link import Connection, query

_CODECS: Final = {
    "utf8": "utf-8", "utf8mb3": "utf-8", "utf8mb4": "utf-8", "ascii": "ascii",
    "utf16": "utf-16-be", "ucs2": "utf-16-be", "utf16le": "utf-16-le", "utf32": "utf-32-be",
    "big5": "big5", "gb2312": "gb2312", "gbk": "gbk", "gb18030": "gb18030", "cp932": "cp932",
    "sjis": "shift_jis", "euckr": "euc_kr", "ujis": "euc_jp",
}  # fmt: skip
_UNDEFINED: Final = "\ufffe"  # as Python's tables have it


class Charset(NamedTuple):
    """How text is decoded: by a codec of Python, or by a table of 256 characters."""

    codec: str = ""
    table: str = ""


LENIENT: Final = Charset("latin-1")  # takes every byte, where only its place is wanted


class Charsets:
    """The character sets of one server; on the thread of its connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        found = query(
            connection,
            "SELECT character_set_name, maxlen FROM information_schema.character_sets",
        )
        self._widths = {name.lower(): int(width) for name, width in found}
        self._known: dict[str, Charset | None] = {}

    def find(self, name: str) -> Charset | None:
        """How to decode a character set; None: nobody here knows."""
        if name not in self._known:
            self._known[name] = self._make(name)
        return self._known[name]

    def _make(self, name: str) -> Charset | None:
        codec = _CODECS.get(name)
        if codec is not None:
            return Charset(codec)
        if self._widths.get(name) != 1:
            return None
        columns = ", ".join(f"CONVERT(_{name} X'{byte:02X}' USING utf8mb4)" for byte in range(256))
        (row,) = query(self._connection, f"SELECT {columns}")
        return Charset(
            table="".join(
                _UNDEFINED if len(found) != 1 or (found == "?" and byte != 0x3F) else found
                for byte, found in enumerate(row)
            )
        )
