"""Which assignment protocol a generation uses."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection

from summit.broker.groups.member import Member


def common_protocols(members: Collection[Member]) -> set[str]:
    """Names that every one of `members` can speak."""
    sets = [{name for name, _ in member.protocols} for member in members]
    return set.intersection(*sets) if sets else set()


def select_protocol(members: Collection[Member]) -> str:
    """The protocol with most votes: each member votes for its first that all can speak.

    There is one: nobody is let in who shares none with the others.
    """
    common = common_protocols(members)
    votes: Counter[str] = Counter()
    for member in members:
        votes[next(name for name, _ in member.protocols if name in common)] += 1
    return votes.most_common(1)[0][0]
