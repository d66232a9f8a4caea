"""Key groups: the shards of keyed state, which move between workers as wholes. Pure.

A key's group is a pure function of the key, the same for every rule: what the rules know of one
address lives in one place.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import count
from typing import Any, Final, NamedTuple
from zlib import crc32

from summit.keyed.keys import Key, key_text

KEY_GROUPS: Final = 64  # for good: the number is part of what stands in the logs


def key_group(key: Key) -> int:
    """The group of a key, 0 to 63."""
    text = key if type(key) is str else key_text(key)
    return crc32(text.encode("utf-8", "surrogatepass")) % KEY_GROUPS


def keys_of_group(group: int, parts: tuple[Any, ...]) -> Iterator[Key]:
    """Keys of a group that begin with these parts; a number behind them makes them so.

    Args:
        parts: As those of a key.
    """
    begin = key_text((*parts, (0, "number"))).removesuffix("0]")
    known = crc32(begin.encode("utf-8", "surrogatepass"))
    for number in count():
        if crc32(b"%d]" % number, known) % KEY_GROUPS == group:
            yield (*parts, (number, "number"))


class RemoteChunk(NamedTuple):
    """What is known of a chunk that another worker has sent, or that was saved while it waited.

    Attributes:
        taken_ms: The time at which each event is taken.
        state_ids: The rules that are to get it; None = all.
        due_ms: Until when they wait for it, by state id; without, until its own time.
    """

    group: int
    taken_ms: Sequence[int]
    state_ids: frozenset[str] | None = None
    due_ms: Mapping[str, int] = {}

    def leaves_out(self, key: Key, state_id: str) -> bool:
        """Whether a rule is not to get the event for this key."""
        if self.state_ids is not None and state_id not in self.state_ids:
            return True
        return key_group(key) != self.group
