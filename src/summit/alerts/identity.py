"""Alert ids: a hash of what makes an alert that alert, and of nothing else.

    id = hex(blake2b-128(JSON [kind, rule id, semantic hash, typed key, [[step, coordinate], ...]
                          (, deadline of an absence) (, {"revision": n})]))

A coordinate is the text of the header `summit.src` where the record carries one (collector, file
identity, position), else `[topic id, partition, offset]`. A record that was moved here from another
cluster says in that header where it stood (`log:<topic id>:<partition>:<offset>`), which counts as
that place: a move changes no id. So a file that is read twice into the
log gives the same ids, a topic that is deleted and made anew gives others, and a new title or
severity is not a new alert. JSON keeps the types of the key apart (1, "1", true, null), except
that a whole float is its integer: equality knows no difference between 1 and 1.0.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

import msgspec

Coordinate = str | tuple[str, int, int]

_LOG = "log:"
_ENCODER = msgspec.json.Encoder()


def source_coordinate(src: str | None, topic_id: str, partition: int, offset: int) -> Coordinate:
    """Where an event comes from: its collector's own position, else its place in the log."""
    if src is None:
        return (topic_id, partition, offset)
    if src.startswith(_LOG):
        parts = src.split(":")
        if len(parts) == 4 and parts[2].isdecimal() and parts[3].isdecimal():
            return (parts[1], int(parts[2]), int(parts[3]))
    return src


def log_coordinate(topic_id: str, partition: int, offset: int) -> str:
    """A place in a log as the text of the header `summit.src`.

    >>> source_coordinate(log_coordinate("Qm9", 2, 17), "other", 0, 0)
    ('Qm9', 2, 17)
    """
    return f"{_LOG}{topic_id}:{partition}:{offset}"


def alert_id(
    kind: str,
    rule_id: str,
    semantic_hash: str,
    key: Sequence[object],
    identity: Iterable[tuple[str, Coordinate]],
    *,
    deadline_ms: int | None = None,
    revision: int = 0,
) -> str:
    """The id of an alert, 32 hexadecimal digits.

    Args:
        kind: What made it: `pattern`, or `timeout` of one.
        semantic_hash: Hash of the rule's steps, windows, keys and time; texts do not count.
        key: The values of the rule's `groupBy`, with their types.
        identity: Step name and source coordinate of each event, in the order of the match.
        deadline_ms: When an absence became certain; None for a match that an event completed.
        revision: How often it was told before; a correction has an id of its own.

    Example:
        >>> alert_id("pattern", "r", "h", ["a"], [("s", ("t", 0, 7))])
        'a7bbe6ce8b6634d1b8e2e4d386811e96'
    """
    plain_key = [_plain(value) for value in key]
    content: list[object] = [
        kind,
        rule_id,
        semantic_hash,
        plain_key,
        [list(pair) for pair in identity],
    ]
    if deadline_ms is not None:
        content.append(deadline_ms)
    if revision:
        content.append({"revision": revision})
    return hashlib.blake2b(_ENCODER.encode(content), digest_size=16).hexdigest()


def _plain(value: object) -> object:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value
