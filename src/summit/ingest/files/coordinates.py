"""Where a record came from: `summit.src` = `file:<identity>:<offset>:<sub>`.

identity  the file, see `identity.py`; stable while the file lives, whatever its name
offset    byte position of the line in the file
sub       which of the line's events: 0 unless a line stands for several
"""

from __future__ import annotations

from typing import Final, NamedTuple

SOURCE_HEADER: Final = "summit.src"
CHECKPOINT_HEADER: Final = "summit.files"


class Coordinate(NamedTuple):
    """The place of one event in a file."""

    identity: str
    offset: int
    sub: int

    @property
    def text(self) -> str:
        """The text of the header.

        >>> Coordinate("801-2f-9-0011", 512, 0).text
        'file:801-2f-9-0011:512:0'
        """
        return f"file:{self.identity}:{self.offset}:{self.sub}"


def parse_coordinate(header: bytes | None) -> Coordinate | None:
    """The coordinate in a header, None when it is absent or not a file's.

    >>> parse_coordinate(b"file:801-2f-9-0011:512:3").sub
    3
    """
    if header is None or not header.startswith(b"file:"):
        return None
    parts = header.decode(errors="replace").split(":")
    if len(parts) != 4 or not (parts[2].isdigit() and parts[3].isdigit()):
        return None
    return Coordinate(parts[1], int(parts[2]), int(parts[3]))
