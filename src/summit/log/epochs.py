"""Leader epochs of one partition: in which offsets each epoch's leader wrote.

The epoch grows with every start after a crash, when the end of a log may have been lost. A consumer
asks where an epoch ended and sees whether what it has read is still there. The file is Kafka's
`leader-epoch-checkpoint`: a version line `0`, a count, then `epoch start-offset` lines.
"""

from __future__ import annotations

from summit.base.files import Buffer


class LeaderEpochs:
    """Epochs with their start offsets, both growing. Only the loop's thread uses it."""

    __slots__ = ("entries", "is_dirty")

    def __init__(self) -> None:
        self.entries: list[tuple[int, int]] = []
        self.is_dirty = False

    @property
    def last_epoch(self) -> int:
        """The epoch of the last batch, -1 when there is none."""
        return self.entries[-1][0] if self.entries else -1

    def note(self, epoch: int, offset: int) -> None:
        """A batch of `epoch` starts at `offset`."""
        if epoch > self.last_epoch:
            self.entries.append((epoch, offset))
            self.is_dirty = True

    def truncate(self, end_offset: int) -> None:
        """Forget epochs that start at or after the end of the log."""
        kept = [entry for entry in self.entries if entry[1] < end_offset]
        if len(kept) != len(self.entries):
            self.entries = kept
            self.is_dirty = True

    def epoch_at(self, offset: int) -> int:
        """The epoch whose leader wrote the batch at `offset`, -1 when that is not known."""
        found = -1
        for epoch, start in self.entries:
            if start > offset:
                break
            found = epoch
        return found

    def end_of(self, epoch: int, end_offset: int, current: int = -1) -> tuple[int, int]:
        """The largest epoch not above `epoch` and the offset where it ends.

        Args:
            end_offset: Where the log ends now.
            current: The leader's epoch now, when it has written nothing yet.
        Returns: (epoch, end offset); (-1, -1) when no batch of this or a later epoch is known.
        """
        if not self.entries and epoch < current:
            return epoch, end_offset  # the current epoch begins where all others ended
        found = epoch
        for known, start in self.entries:
            if known > epoch:
                return found, start
            found = known
        if found != epoch or not self.entries:
            return -1, -1
        return found, end_offset

    def encode(self) -> bytes:
        lines = [f"{epoch} {offset}\n" for epoch, offset in self.entries]
        return f"0\n{len(lines)}\n{''.join(lines)}".encode()

    def load(self, data: Buffer) -> None:
        """Take the entries of a file as far as they make sense."""
        self.entries = []
        lines = bytes(data).decode("ascii", "replace").splitlines()[2:]
        for line in lines:
            epoch, _, offset = line.partition(" ")
            if not (epoch.isdigit() and offset.isdigit()):
                break
            self.note(int(epoch), int(offset))
        self.is_dirty = False
