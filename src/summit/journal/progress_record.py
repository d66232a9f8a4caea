"""One record of `_summit.progress`: how far a worker has come.

Part of the transaction that it tells of, so it never claims more than is done.

    {"worker": "w1",
     "groups": [0, 1, 2],             the key groups that this worker holds
     "positions": {"events/0": 1200}, inputs that it reads: next offset to process
     "seen": {"events/0": 1200},      any input: below this offset its key groups have seen
                                      everything that concerns them
     "alerts": {"0": 17},             alerts topic: its alerts stand below this offset
     "definitions": 9,                definitions topic: everything below has acted
     "reads": ["*"],                  names and globs of the topics that rules read
     "guarantee": "exactly_once",
     "runs": 4}                       unfinished matches
"""

from __future__ import annotations

from typing import Final

import msgspec

from summit.base.errors import Invalid

Positions = dict[str, int]
GUARANTEE: Final = "exactly_once"  # what workers give; there is no cheaper one yet


class ProgressRecord(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """See the module. Partition names are `topic/partition`."""

    worker: str
    groups: list[int] = []
    positions: Positions = {}
    seen: Positions = {}
    alerts: Positions = {}
    definitions: int = 0
    reads: list[str] = []
    guarantee: str = GUARANTEE
    runs: int = 0
    at: int = 0


_ENCODER = msgspec.json.Encoder()
_DECODER = msgspec.json.Decoder(ProgressRecord)


def encode_progress(record: ProgressRecord) -> bytes:
    """The JSON form."""
    return _ENCODER.encode(record)


def decode_progress(value: bytes) -> ProgressRecord:
    """The record of a value. Raises Invalid("progress.invalid")."""
    try:
        return _DECODER.decode(value)
    except msgspec.MsgspecError as error:
        raise Invalid("progress.invalid", reason=str(error)) from error


def partition_name(topic: str, partition: int) -> str:
    """`topic/partition`: topic names hold no slash."""
    return f"{topic}/{partition}"


def split_partition_name(name: str) -> tuple[str, int]:
    """The topic and the partition of a name."""
    topic, _, partition = name.rpartition("/")
    return topic, int(partition)
