"""Databases of single-byte encodings that leave some bytes undefined.

Such a server keeps any byte, and ends a query that it is to give in UTF-8 at the first one that
means nothing (`character with byte sequence 0x81 in encoding "WIN1252" has no equivalent`). So its
bytes are taken as they are and turned into UTF-8 here, value by value: what cannot be is no UTF-8
afterwards, and its row a dead letter.
"""

from __future__ import annotations

from typing import Final

_CODECS: Final = {
    **{f"WIN{page}": f"cp{page}" for page in (874, *range(1250, 1259))},
    "LATIN3": "iso8859-3", "ISO_8859_6": "iso8859-6", "ISO_8859_7": "iso8859-7",
    "ISO_8859_8": "iso8859-8",
}  # fmt: skip


class Encoding:
    """One of them.

    >>> encoding = Encoding("cp1252")
    >>> encoding.to_utf8(b"\\xe9").decode(), encoding.to_server(encoding.to_utf8(b"\\x81"))
    ('é', b'\\x81')
    """

    def __init__(self, codec: str) -> None:
        self._codec = codec

    @classmethod
    def of_server(cls, name: str) -> Encoding | None:
        """That of a server's name; None for one whose bytes the server itself can turn."""
        codec = _CODECS.get(name)
        return None if codec is None else cls(codec)

    def to_utf8(self, data: bytes) -> bytes:
        """Text in UTF-8; bytes without a meaning become what is none."""
        if data.isascii():
            return data
        return data.decode(self._codec, "surrogateescape").encode(errors="surrogatepass")

    def to_server(self, data: bytes) -> bytes:
        """Text as the server keeps it."""
        return data.decode(errors="surrogatepass").encode(self._codec, "surrogateescape")

    def quoted(self, data: bytes) -> str:
        r"""Text as SQL in ASCII: the server takes escaped bytes as its own.

        >>> Encoding("cp1252").quoted("é'\\".encode())
        "E'\\xe9\\'\\\\'"
        """
        parts = []
        for byte in self.to_server(data):
            if byte >= 0x80 or byte < 0x20:
                parts.append(f"\\x{byte:02x}")
            else:
                parts.append(f"\\{byte:c}" if byte in b"'\\" else f"{byte:c}")
        return f"E'{''.join(parts)}'"
