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
     "guarantee": "exactly_once",      or "at_least_once": of its alerts and dead letters
     "runs": 4,                       unfinished matches
     "figures": {…}}                  see `worker_figures.py`; at most once a second

Members may come later: a reader passes over those that it does not know. `version` changes only
when what stands here no longer means the same; a record without it is of version 1. One of a
newer version is refused, never guessed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from summit.base.errors import Invalid
from summit.journal.worker_figures import WorkerFigures
from summit.keyed.captured import Move

PROGRESS_VERSION: Final = 1
Positions = dict[str, int]
EXACTLY_ONCE: Final = "exactly_once"
AT_LEAST_ONCE: Final = "at_least_once"


class ProgressRecord(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """See the module. Partition names are `topic/partition`."""

    worker: str
    groups: list[int] = []
    positions: Positions = {}
    seen: Positions = {}
    alerts: Positions = {}
    definitions: int = 0
    reads: list[str] = []
    guarantee: str = EXACTLY_ONCE
    runs: int = 0
    at: int = 0
    version: int = PROGRESS_VERSION
    figures: WorkerFigures | None = None


class _Head(msgspec.Struct):
    version: int = PROGRESS_VERSION


_ENCODER = msgspec.json.Encoder()
_DECODER = msgspec.json.Decoder(ProgressRecord)
_HEAD = msgspec.json.Decoder(_Head)


def encode_progress(record: ProgressRecord) -> bytes:
    """The JSON form."""
    return _ENCODER.encode(record)


def decode_progress(value: bytes) -> ProgressRecord:
    """The record of a value.

    Raises: Invalid("progress.newer") for one of a newer version; Invalid("progress.invalid").
    """
    try:
        record = _DECODER.decode(value)
    except msgspec.MsgspecError as error:
        _refuse_newer(value)
        raise Invalid("progress.invalid", reason=str(error)) from error
    if record.version > PROGRESS_VERSION:
        raise Invalid("progress.newer", version=record.version, known=PROGRESS_VERSION)
    return record


def _refuse_newer(value: bytes) -> None:
    """What cannot be read as a record may be one that a newer version wrote."""
    try:
        version = _HEAD.decode(value).version
    except msgspec.MsgspecError:
        return
    if version > PROGRESS_VERSION:
        raise Invalid("progress.newer", version=version, known=PROGRESS_VERSION)


def partition_name(topic: str, partition: int) -> str:
    """`topic/partition`: topic names hold no slash."""
    return f"{topic}/{partition}"


def split_partition_name(name: str) -> tuple[str, int]:
    """The topic and the partition of a name."""
    topic, _, partition = name.rpartition("/")
    return topic, int(partition)


def moved_positions(positions: Mapping[str, int], move: Move) -> Positions:
    """The same places as another cluster has them."""
    return {
        name: move(*split_partition_name(name), offset, None)[0]
        for name, offset in positions.items()
    }
