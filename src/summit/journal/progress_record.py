"""One record of `_summit.progress`: how far the worker has come, and how to resume exactly.

Written after the input offsets are committed, so it never claims more than is done; what it says
about resuming may be older than the commit, which only makes a restart read back further.

    {"worker": "w1",
     "positions": {"events/0": 1200},         input: next offset to process
     "alerts": {"0": 17},                     alerts topic: everything below is written
     "definitions": 9,                        definitions topic: everything below has acted
     "reads": ["*"],                          names and globs of the topics that rules read
     "low": {"events/0": [900, 1700000000000]},   no unfinished match begins before offset 900;
                                              the partition's watermark there
     "alertsLow": {"0": 11},                  alerts whose last event lies behind `low` are here on
     "activations": [[7, {}], [9, {"events/0": 1000}]],   from which input positions on the
                                              definitions below offset 7, then 9, have acted
     "runs": 4}                               unfinished matches
"""

from __future__ import annotations

import msgspec

from summit.base.errors import Invalid

Positions = dict[str, int]


class ProgressRecord(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """See the module. Partition names are `topic/partition`."""

    worker: str
    positions: Positions
    alerts: Positions = {}
    definitions: int = 0
    reads: list[str] = []
    low: dict[str, tuple[int, int]] = {}
    alerts_low: Positions = {}
    activations: list[tuple[int, Positions]] = []
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
