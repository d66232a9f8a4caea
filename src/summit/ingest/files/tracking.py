"""One file under a collector's care: who it is, how far it was read, whether it was replaced."""

from __future__ import annotations

from typing import Final

from summit.base.errors import Invalid
from summit.base.limits import INGEST_FLUSH_INTERVAL_MS
from summit.ingest.files.identity import (
    FINGERPRINT_BYTES_MAX,
    Identity,
    identify,
    parse_identity,
    renewed,
)
from summit.ingest.files.joining import Joiner, make_joiner
from summit.ingest.files.lane import Lane
from summit.ingest.files.ledger import Ledger, Resume
from summit.ingest.files.lines import Line, LineReader
from summit.ingest.files.positions import Advance, Positions
from summit.ingest.files.rows import RowFile, RowReader
from summit.ingest.files.settings import FileOptions
from summit.ingest.files.shapes import Shape, needs_all_lines
from summit.ingest.files.source import SourceFile
from summit.ingest.settings import CollectorConfig

_UNSEEN: Final = (-1, -1)
_RESUMING: Final = "resuming"
_WHOLE_BYTES: Final = 4 << 20  # of text that is enough to tell a compressed file


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
        self._options = options
        self._given = identity
        self._from_zero = needs_all_lines(options)
        self.identity: Identity | None = None
        self.name = ""
        self.lane: Lane | Advance | None = None
        self.shape: Shape | None = None
        self.left_ms: float | None = None
        self._resume: Resume | None = None
        self.sent_position = 0
        self._reader = self._reader_at(0)
        self._joiner: Joiner | None = None
        self._seen = _UNSEEN
        self._held: list[Line] = []
        self._held_since_ms = 0.0
        self._quiet_since_ms = 0.0

    @property
    def resuming(self) -> bool:
        """Whether lines are still compared with what the log held at the start."""
        return self._resume is not None

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

    @property
    def durable_bytes(self) -> int:
        """The same in bytes of the file, where its text or its rows have other positions."""
        return self.file.bytes_at(self.durable_position)

    def recognise(self, ledger: Ledger | Positions, *, final: bool) -> bool:
        """Find out who it is and where to go on; False while it has too little to tell.

        Raises: Invalid("collector.file_unreadable").
        """
        if self._given is not None:
            self._begin(self._given, 0)
            return True
        head = self._head()
        if not head or not (final or self._tells_enough(head)):
            return False
        known = _identities(ledger)
        found = identify(*self.file.place, head, known)
        resume = ledger.resume(found.text)
        done = ledger.done(found.text)
        if resume is not None and (
            self.file.is_shorter(resume.top[0] + 1)
            or (done is not None and done != self.file.stamp())
        ):
            # Cut down or made anew while nobody looked, and the same first bytes again.
            found, resume = renewed(found, head, known), None
        known_to = resume.base[0] if resume is not None and resume.base is not None else 0
        self._begin(found, 0 if self._from_zero else known_to, resume)
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
        return self.file.is_shorter(self.position) or not self.identity.fits(self._head())

    def begin_again(self, ledger: Ledger | Positions) -> bool:
        """Take the new content as a new file; False while it has too little to tell."""
        head = self._head()
        if not self._tells_enough(head):
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
        if not lines and not final and self.file.is_whole:
            lines = self._reader.read(final=True)
        if lines and not self._still_the_same():
            self._reader.position = before
            return []
        if not lines:
            self._seen = stamp
        return lines

    def hold(
        self, lines: list[Line], config: CollectorConfig, now_ms: float, *, final: bool
    ) -> list[Line]:
        """Lines as events: those that belong together are joined, and kept back until they are.

        With `batchSize` they are kept until there are so many of them, or for `flushInterval`.
        """
        if lines:
            self._quiet_since_ms = now_ms
        if self._joiner is not None:
            lines = self._joiner.join(lines, now_ms, final=final or (not lines and self._ends))
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

    def is_told(self) -> bool:
        """Whether this was said of the content as it is; it is looked at again when it changes."""
        told, self._seen = self._seen, self.file.stamp()
        self._quiet_since_ms = float("inf")  # it is not complete
        return told == self._seen

    def is_done(self, now_ms: float) -> bool:
        """Whether nothing was added for so long that the file counts as complete."""
        return self.lane is not None and (
            now_ms - self._quiet_since_ms >= self._options.done_after_ms
        )

    @property
    def _ends(self) -> bool:
        return self._options.mode == "batch" or self.file.is_whole

    def holds(self, ledger: Ledger | Positions, line: Line, sub: int) -> bool:
        """Whether the log had this event already before the restart."""
        resume = self._resume
        if resume is None:
            return False
        place = (line.offset, sub)
        if place >= resume.top:
            self.settle(ledger)
        return resume.holds(place)

    def settle(self, ledger: Ledger | Positions) -> None:
        """There is nothing more to compare with what the log held."""
        self._resume = None
        ledger.trust(self.name, _RESUMING)

    def _still_the_same(self) -> bool:
        if self.identity is None or self._given is not None:
            return True
        return self.identity.fits(self._head())

    def _begin(self, identity: Identity, position: int, resume: Resume | None = None) -> None:
        self.identity = identity
        self.name = identity.text
        if position == 0:
            self.file.begin()
        self._reader = self._reader_at(position)
        places = () if resume is None else (*resume.present, resume.base or (-1, 0))
        self._joiner = make_joiner(self._options, dict(sorted(places)))
        self._seen = _UNSEEN
        self._held = []

    def _reader_at(self, position: int) -> LineReader | RowReader:
        most = self._options.max_line_bytes
        if isinstance(self.file, RowFile):
            return RowReader(self.file, position, most)
        return LineReader(self.file, position, most)

    def _head(self) -> bytes:
        return self.file.head(FINGERPRINT_BYTES_MAX)

    def _tells_enough(self, head: bytes) -> bool:
        """Whether a file that begins so can be told from others."""
        if len(head) == FINGERPRINT_BYTES_MAX:
            return True
        if type(self.file) is SourceFile:
            return b"\n" in head
        # What is short and compressed, or holds rows, is told when all of it is there.
        try:
            if isinstance(self.file, RowFile):
                return self.file.open_table() is not None
            return len(self.file.read(0, _WHOLE_BYTES)) == _WHOLE_BYTES or self.file.is_whole
        except Invalid:
            return False


def _identities(ledger: Ledger | Positions) -> list[Identity]:
    found = (parse_identity(text) for text in ledger.identities())
    return [one for one in found if one is not None]
