"""A membership, out of how librdkafka writes it down for `send_offsets_to_transaction`."""

from __future__ import annotations

import struct
from typing import Any, Final, NamedTuple

_PROOF: Final = b"CGMDv2:"
_GENERATION: Final = struct.Struct("=i")


class Proof(NamedTuple):
    """A membership, as the group's coordinator wants it proven."""

    group_id: str
    generation: int
    member_id: str
    instance_id: str | None


def proof_of(metadata: Any) -> Proof | None:
    """What librdkafka has written down of a membership; None where it is not understood.

    Format: `CGMDv2:`, the generation as i32 of the machine, group and member, each ended by a zero,
    then 1 or, before the name of the instance that a zero ends, 0.
    """
    if not isinstance(metadata, bytes) or not metadata.startswith(_PROOF):
        return None
    try:
        (generation,) = _GENERATION.unpack_from(metadata, len(_PROOF))
        group, member, rest = metadata[len(_PROOF) + _GENERATION.size :].split(b"\0", 2)
        if rest == b"\x01":
            return Proof(group.decode(), generation, member.decode(), None)
        if not rest.startswith(b"\0") or rest.find(b"\0", 1) != len(rest) - 1:
            return None
        return Proof(group.decode(), generation, member.decode(), rest[1:-1].decode())
    except (ValueError, struct.error):
        return None
