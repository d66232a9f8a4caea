"""Key groups: the shards of keyed state, which move between workers as wholes. Pure.

A key's group is a pure function of the key, the same for every rule: what the rules know of one
address lives in one place.
"""

from __future__ import annotations

from typing import Final
from zlib import crc32

from summit.cep.keys import Key, key_text

KEY_GROUPS: Final = 64  # for good: the number is part of what stands in the logs


def key_group(key: Key) -> int:
    """The group of a key, 0 to 63."""
    text = key if type(key) is str else key_text(key)
    return crc32(text.encode("utf-8", "surrogatepass")) % KEY_GROUPS
