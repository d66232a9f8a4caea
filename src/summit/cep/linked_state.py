"""One group of linked events as bytes: what is saved in a changelog.

MessagePack list, version 1 (the version travels beside the bytes, not in them):

    [the group as `group_state` writes a list of one,
     [[kind, values of the key, count, brought, first, last, topic, partition, offset], ...],
     [[entity, topic, partition, offset, topic, partition, offset], ...]]

Entities stand in the order in which they came up; a link names its entity by number.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from summit.base.errors import Corrupt
from summit.cep.group_state import GROUP_STATE_VERSION, dump_groups, load_groups, move_groups
from summit.cep.linked_groups import Bearing, LinkedGroup
from summit.keyed.captured import Move
from summit.keyed.keys import Key, key_values, whole_key

LINKED_STATE_VERSION: Final = 1

_EntityRow = tuple[int, list[Any], int, int, int, int, str, int, int]
_LinkRow = tuple[int, str, int, int, str, int, int]
_Rows = tuple[bytes, list[_EntityRow], list[_LinkRow]]

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_Rows).decode


def dump_linked(group: LinkedGroup) -> bytes:
    """The group as bytes."""
    numbers = {entity: number for number, entity in enumerate(group.entities)}
    entities = [
        (kind, key_values(value), one.count, one.brought, one.first_ms, one.last_ms, *one.place)
        for (kind, value), one in group.entities.items()
    ]
    links = [(numbers[entity], *source, *target) for entity, source, target in group.links]
    return _encode((dump_groups([group]), entities, links))


def load_linked(name: Key, data: bytes, version: int) -> LinkedGroup:
    """The group that `dump_linked` wrote.

    Raises: Corrupt("correlation.state") for another version or bytes that are none of ours.
    """
    inner, entities, links = _rows(data, version)
    try:
        (plain,) = load_groups(inner, GROUP_STATE_VERSION)
        group = LinkedGroup(name, plain.start_ms)
        for attribute in ("count", "end_ms", "events", "is_told", "seen"):
            setattr(group, attribute, getattr(plain, attribute))
        for row in entities:
            group.entities[row[0], whole_key(row[1])] = Bearing(*row[2:6], row[6:9])
        named = list(group.entities)
        group.links = [(named[row[0]], row[1:4], row[4:7]) for row in links]
    except (ValueError, IndexError, TypeError) as error:
        raise Corrupt("correlation.state", reason=str(error)) from error
    return group


def move_linked(data: bytes, version: int, move: Move) -> bytes:
    """The same group with its events at the places where another cluster has them.

    Raises: as `load_linked`.
    """

    def moved(topic: str, partition: int, offset: int) -> tuple[str, int, int]:
        return topic, partition, move(topic, partition, offset, None)[0]

    inner, entities, links = _rows(data, version)
    return _encode(
        (
            move_groups(inner, GROUP_STATE_VERSION, move),
            [(*row[:6], *moved(*row[6:9])) for row in entities],
            [(row[0], *moved(*row[1:4]), *moved(*row[4:7])) for row in links],
        )
    )


def _rows(data: bytes, version: int) -> _Rows:
    if version != LINKED_STATE_VERSION:
        known = f"version {LINKED_STATE_VERSION} is known here"
        raise Corrupt("correlation.state", reason=f"it is of version {version}, and {known}")
    try:
        rows: _Rows = _decode(data)
    except msgspec.MsgspecError as error:
        raise Corrupt("correlation.state", reason=str(error)) from error
    return rows
