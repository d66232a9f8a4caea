"""Which file is it: device, inode, and a fingerprint of the first bytes.

    801-2f0a-400-9f86d081884c7d65      device 0x801, inode 0x2f0a, digest of the first 0x400 bytes
    801-2f0a-400-9f86d081884c7d65-2    the same first bytes again, after the second truncation

A rename keeps the identity. Two equal files differ by inode. An inode that is used again differs
by fingerprint. The fingerprint covers what was there when the file was first read (at most 1,024
bytes), and its length is part of the identity: a file that was short then and has grown since is
still recognised, by comparing only that many bytes.
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import blake2b
from typing import Final, NamedTuple

FINGERPRINT_BYTES_MAX: Final = 1_024


class Identity(NamedTuple):
    """Identity of a file, see the module."""

    device: int
    inode: int
    size_bytes: int
    digest: str
    generation: int = 0

    @property
    def text(self) -> str:
        """The identity as it stands in headers: no colon, no space."""
        text = f"{self.device:x}-{self.inode:x}-{self.size_bytes:x}-{self.digest}"
        return f"{text}-{self.generation:x}" if self.generation else text

    def fits(self, head: bytes) -> bool:
        """Whether a file that begins with `head` has this fingerprint."""
        return len(head) >= self.size_bytes and fingerprint(head[: self.size_bytes]) == self.digest


def single_use(seed: bytes) -> Identity:
    """The identity of a source that cannot be read twice, such as a pipe."""
    return Identity(0, 0, 0, fingerprint(seed))


def fingerprint(head: bytes) -> str:
    """A digest of the first bytes of a file, 16 hexadecimal digits."""
    return blake2b(head, digest_size=8).hexdigest()


def parse_identity(text: str) -> Identity | None:
    """The identity in a text, None when it is not one."""
    parts = text.split("-")
    if len(parts) not in (4, 5):
        return None
    try:
        numbers = [int(part, 16) for part in (*parts[:3], *parts[4:])]
    except ValueError:
        return None
    generation = numbers[3] if len(parts) == 5 else 0
    return Identity(numbers[0], numbers[1], numbers[2], parts[3], generation)


def identify(device: int, inode: int, head: bytes, known: Iterable[Identity]) -> Identity:
    """The identity of a file that begins with `head`.

    Args:
        head: Its first bytes, up to `FINGERPRINT_BYTES_MAX`; at least one.
        known: Identities seen before on any file, in any order.
    Returns: The known identity of the highest generation that fits, else a new one.
    """
    fitting = [
        one for one in known if one.device == device and one.inode == inode and one.fits(head)
    ]
    if fitting:
        return max(fitting, key=lambda one: (one.size_bytes, one.generation))
    return Identity(device, inode, len(head), fingerprint(head))


def renewed(identity: Identity, head: bytes, known: Iterable[Identity]) -> Identity:
    """The identity of the same inode after its content was replaced by one that begins `head`.

    Never one that was used before, even when the first bytes are the same again.
    """
    fresh = Identity(identity.device, identity.inode, len(head), fingerprint(head))
    used = {
        one.generation
        for one in (*known, identity)
        if one._replace(generation=0) == fresh._replace(generation=0)
    }
    return fresh._replace(generation=max(used) + 1) if used else fresh
