"""Which member should read which partition: the assignors `uniform` and `range` of KIP-848.

Pure functions of who reads what, how many partitions each topic has, and who has what today. Both
are complete (every partition of a topic that anybody reads has exactly one reader, who asked for
it) and depend on nothing else, so that the same group is assigned alike.

uniform  Members that could have read one another's partitions differ by at most one partition; who
         has a partition keeps it unless balance takes it away.
range    Topic by topic, in runs of neighbouring partitions in the members' order (instance id, then
         member id); members of the same topics get the same indexes of topics of the same size.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from heapq import heapify, heappop, heappush
from typing import Final, NamedTuple

from summit.broker.groups.assignment import NOWHERE, Place, Places, in_order


class Reader(NamedTuple):
    """A member as an assignor sees it: its place in the order, what it reads, what it has."""

    order: tuple[str, str]
    topics: frozenset[uuid.UUID]
    holds: Places = NOWHERE


Sizes = Mapping[uuid.UUID, int]
Assigned = dict[str, Places]


def uniform(readers: Mapping[str, Reader], sizes: Sizes) -> Assigned:
    """Spread partitions evenly and move as few as that allows.

    Cost: about P log M for P partitions and M members, and one pass for each step of balancing
    where members read different topics.
    """
    names = sorted(readers, key=lambda name: readers[name].order)
    shares: dict[str, set[Place]] = {name: set() for name in names}
    free: list[Place] = []
    readers_of = {
        topic_id: [name for name in names if topic_id in readers[name].topics] for topic_id in sizes
    }
    holders = {
        place: name for name in names for place in readers[name].holds
        if place[0] in readers[name].topics
    }  # fmt: skip
    for topic_id in sorted((t for t, able in readers_of.items() if able), key=lambda t: t.int):
        for index in range(sizes[topic_id]):
            holder = holders.get((topic_id, index))
            if holder is None:
                free.append((topic_id, index))
            else:
                shares[holder].add((topic_id, index))
    if len({reader.topics for reader in readers.values()}) <= 1:
        _level(names, shares, free)
    else:
        # The partitions that the fewest can read first: they leave the least choice.
        free.sort(key=lambda place: len(readers_of[place[0]]))
        for place in free:
            shares[min(readers_of[place[0]], key=lambda name: len(shares[name]))].add(place)
        _balance(names, shares, readers_of)
    return {name: frozenset(share) for name, share in shares.items()}


def _level(names: list[str], shares: dict[str, set[Place]], free: list[Place]) -> None:
    """Members who all read the same: nobody keeps more than the quota, the rest fills up."""
    if not names:
        return
    total = len(free) + sum(map(len, shares.values()))
    quota, extra = divmod(total, len(names))
    # Who has most already keeps the odd one, so that it need not move.
    for name in sorted(names, key=lambda name: -len(shares[name])):
        allowed = quota + (1 if extra > 0 and len(shares[name]) > quota else 0)
        if allowed > quota:
            extra -= 1
        if len(shares[name]) > allowed:
            surplus = sorted(shares[name], key=in_order)[allowed:]
            shares[name].difference_update(surplus)
            free.extend(surplus)
    heap = [(len(shares[name]), number) for number, name in enumerate(names)]
    heapify(heap)
    for place in sorted(free, key=in_order):
        size, number = heappop(heap)
        shares[names[number]].add(place)
        heappush(heap, (size + 1, number))


def _balance(
    names: list[str], shares: dict[str, set[Place]], readers_of: Mapping[uuid.UUID, list[str]]
) -> None:
    """Move partitions along until no chain of moves could make two members more equal.

    A partition may have to push another one on: A gives to B, B to C. So for the fullest members
    the shortest chain to a member with at least two fewer is looked for. Each chain makes the sum
    of squares smaller, so that this ends. Whom a search without success reached has no chain of
    its own either, as long as it holds no more, and nobody is searched through it again.
    """
    moved = True
    while moved:
        moved = False
        done: set[str] = set()
        for source in sorted(names, key=lambda name: -len(shares[name])):
            if source in done:
                continue
            chain = _chain(source, shares, readers_of, done)
            if chain:
                for giver, place, taker in chain:
                    shares[giver].remove(place)
                    shares[taker].add(place)
                moved = True
                break


def _chain(
    source: str,
    shares: dict[str, set[Place]],
    readers_of: Mapping[uuid.UUID, list[str]],
    done: set[str],
) -> list[tuple[str, Place, str]]:
    """The moves that bring one partition's worth of work from a member to a poorer one."""
    poor = len(shares[source]) - 2
    came_by: dict[str, tuple[str, Place]] = {source: (source, (uuid.UUID(int=0), -1))}
    looked: set[uuid.UUID] = set()
    queue = [source]
    for giver in queue:
        offers = {place[0]: place for place in sorted(shares[giver], key=in_order, reverse=True)}
        for topic_id, place in sorted(offers.items(), key=lambda item: item[0].int):
            if topic_id in looked:
                continue
            looked.add(topic_id)
            for taker in readers_of[topic_id]:
                if taker in came_by or taker in done:
                    continue
                came_by[taker] = (giver, place)
                if len(shares[taker]) <= poor:
                    return _path(came_by, source, taker)
                queue.append(taker)
    done.update(came_by)
    return []


def _path(
    came_by: Mapping[str, tuple[str, Place]], source: str, taker: str
) -> list[tuple[str, Place, str]]:
    moves = []
    while taker != source:
        giver, place = came_by[taker]
        moves.append((giver, place, taker))
        taker = giver
    return moves


def range_(readers: Mapping[str, Reader], sizes: Sizes) -> Assigned:
    """Give each member of a topic a run of its partitions; the first members the odd ones."""
    names = sorted(readers, key=lambda name: readers[name].order)
    shares: dict[str, set[Place]] = {name: set() for name in names}
    for topic_id, size in sizes.items():
        able = [name for name in names if topic_id in readers[name].topics]
        if not able:
            continue
        quota, extra = divmod(size, len(able))
        start = 0
        for number, name in enumerate(able):
            stop = start + quota + (1 if number < extra else 0)
            shares[name].update((topic_id, index) for index in range(start, stop))
            start = stop
    return {name: frozenset(share) for name, share in shares.items()}


Assignor = Callable[[Mapping[str, Reader], Sizes], Assigned]
ASSIGNORS: Final[dict[str, Assignor]] = {"uniform": uniform, "range": range_}
DEFAULT_ASSIGNOR: Final = "uniform"
