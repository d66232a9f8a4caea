"""One file under a collector's care: who it is, how far it was read, whether it was replaced."""

from __future__ import annotations

from typing import Final

from summit.base.limits import INGEST_FLUSH_INTERVAL_MS
from summit.ingest.files.identity import (
    FINGERPRINT_BYTES_MAX,
    Identity,
    identify,
    parse_identity,
    renewed,
)
from summit.ingest.files.lane import Lane
from summit.ingest.files.ledger import Ledger, Resume
from summit.ingest.files.lines import Line, LineReader
from summit.ingest.files.shapes import Shape, needs_all_lines
from summit.ingest.files.source import SourceFile
from summit.ingest.settings import CollectorConfig, FileOptions

_UNSEEN: Final = (-1, -1)
_RESUMING: Final = "resuming"


class TrackedFile:
    """A file with its reader and its lane.

    Args:
        identity: Its identity, when it is not to be found out.

    Attributes:
        name: The text of its identity, once that is known.
        lane, shape: Set by the collector once the identity is known.
        sent_position: Up to where its lines were handed to the lane, bytes.
        left_ms: Since when its path leads elsewhere; None while it is where it was found.
    """

    def __init__(
        self, file: SourceFile, options: FileOptions, *, identity: Identity | None = None
    ) -> None:
        self.file = file
        self._given = identity
        self._from_zero = needs_all_lines(options)
        self.identity: Identity | None = None
        self.name = ""
        self.lane: Lane | None = None
        self.shape: Shape | None = None
        self.left_ms: float | None = None
        self._resume: Resume | None = None
        self.sent_position = 0
        self._max_line_bytes = options.max_line_bytes
        self._reader = LineReader(file, 0, options.max_line_bytes)
        self._seen = _UNSEEN
        self._held: list[Line] = []
        self._held_since_ms = 0.0

    @property
    def path(self) -> str:
        """Where it was found last."""
        return self.file.path

    @property
    def position(self) -> int:
        """How far it was read, bytes."""
        return self._reader.position

    @property
    def durable_position(self) -> int:
        """Up to where its events are in the log, bytes."""
        if self.lane is None:
            return 0
        return self.sent_position if self.lane.idle else self.lane.durable_position

    def recognise(self, ledger: Ledger, *, final: bool) -> bool:
        """Find out who it is and where to go on; False while it has too little to tell.

        Raises: Invalid("collector.file_unreadable").
        """
        if self._given is not None:
            self._begin(self._given, 0)
            return True
        head = self._head()
        if not head or not (final or b"\n" in head or len(head) == FINGERPRINT_BYTES_MAX):
            return False
        known = _identities(ledger)
        found = identify(*self.file.place, head, known)
        resume = ledger.resume(found.text)
        if resume is not None and resume.top[0] >= self.file.size_bytes():
            # Cut down while nobody looked, and the same first bytes again.
            found, resume = renewed(found, head, known), None
        known_to = resume.base[0] if resume is not None and resume.base is not None else 0
        self._begin(found, 0 if self._from_zero else known_to)
        self._resume = resume
        if resume is not None and resume.present:
            ledger.distrust(self.name, _RESUMING)
        return True

    def replaced(self) -> bool:
        """Whether the content that was read is gone: cut down, or other first bytes."""
        if self.identity is None or self._given is not None:
            return False
        stamp = self.file.stamp()
        if stamp == self._seen:
            return False
        return stamp[0] < self.position or not self.identity.fits(self._head())

    def begin_again(self, ledger: Ledger) -> bool:
        """Take the new content as a new file; False while it has too little to tell."""
        head = self._head()
        if b"\n" not in head and len(head) < FINGERPRINT_BYTES_MAX:
            return False
        assert self.identity is not None
        self.settle(ledger)
        self._begin(renewed(self.identity, head, _identities(ledger)), 0)
        return True

    def read(self, *, final: bool) -> list[Line]:
        """The next lines, none when there is nothing new.

        What was read while the content was being replaced is thrown away: the caller looks at
        `replaced` next time.
        """
        stamp = self.file.stamp()
        if stamp == self._seen and not final:
            return []
        before = self._reader.position
        lines = self._reader.read(final=final)
        if lines and not self._still_the_same():
            self._reader.position = before
            return []
        if not lines:
            self._seen = stamp
        return lines

    def hold(
        self, lines: list[Line], config: CollectorConfig, now_ms: float, *, final: bool
    ) -> list[Line]:
        """Keep lines back until there are `batchSize` of them, or for `flushInterval`."""
        if config.batch_size is None:
            return lines
        if lines and not self._held:
            self._held_since_ms = now_ms
        self._held += lines
        waited_ms = now_ms - self._held_since_ms
        interval_ms = config.flush_interval or INGEST_FLUSH_INTERVAL_MS
        if not final and len(self._held) < config.batch_size and waited_ms < interval_ms:
            return []
        lines, self._held = self._held, []
        return lines

    def holds(self, ledger: Ledger, line: Line, sub: int) -> bool:
        """Whether the log had this event already before the restart."""
        resume = self._resume
        if resume is None:
            return False
        place = (line.offset, sub)
        if place >= resume.top:
            self.settle(ledger)
        return resume.holds(place)

    def settle(self, ledger: Ledger) -> None:
        """There is nothing more to compare with what the log held."""
        self._resume = None
        ledger.trust(self.name, _RESUMING)

    def _still_the_same(self) -> bool:
        if self.identity is None or self._given is not None:
            return True
        return self.identity.fits(self._head())

    def _begin(self, identity: Identity, position: int) -> None:
        self.identity = identity
        self.name = identity.text
        self._reader = LineReader(self.file, position, self._max_line_bytes)
        self._seen = _UNSEEN
        self._held = []

    def _head(self) -> bytes:
        return self.file.read(0, FINGERPRINT_BYTES_MAX)


def _identities(ledger: Ledger) -> list[Identity]:
    found = (parse_identity(text) for text in ledger.identities())
    return [one for one in found if one is not None]
