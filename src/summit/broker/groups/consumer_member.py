"""One member of a consumer group whose partitions the broker assigns, and its way to its target.

    STABLE ──new target──► UNREVOKED ──gave back what it must──► UNRELEASED ──others gave──► STABLE

A member first gives back what is not in its target any more; only then it comes to the target's
epoch, and gets what the others have let go. Nobody reads a partition before it is let go.

Source: KIP-848.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum

from summit.broker.groups.assignment import NOWHERE, Place, Places

JOINING = 0
LEAVING_FOR_A_WHILE = -2  # a static member that will be back


class MemberState(IntEnum):
    """How far a member has come, with the numbers of Kafka's stored records."""

    STABLE = 0
    UNREVOKED = 1
    UNRELEASED = 2


@dataclass(slots=True, kw_only=True)
class ClassicPart:
    """What a member that speaks the classic protocol brought with its join."""

    session_timeout_ms: int
    protocols: list[tuple[str, bytes]]


@dataclass(slots=True, kw_only=True)
class ConsumerMember:
    """A member's own part of a group's state. Times are monotonic milliseconds.

    Attributes:
        epoch, previous_epoch: The group epoch that it has come to, and the one before: the answer
            that told it the newer one may have got lost.
        names: Topics that it named; `pattern` names more, which are `matched`.
        matched_version: The state of the topics that `matched` was made of.
        assigned: What it may read. `revoking`: what it still holds and must give back.
        deadline_ms: The end of its session.
        act_by_ms: When it must have given back, joined or synced; None when it owes nothing.
        classic: Set for a member that speaks the classic protocol.
    """

    member_id: str
    epoch: int = JOINING
    previous_epoch: int = JOINING
    instance_id: str | None = None
    rack_id: str | None = None
    client_id: str = ""
    client_host: str = ""
    names: list[str] = field(default_factory=list)
    pattern: str | None = None
    matched: frozenset[str] = frozenset()
    matched_version: int = -1
    rebalance_timeout_ms: int = 300_000
    assignor: str | None = None
    state: MemberState = MemberState.STABLE
    assigned: Places = NOWHERE
    revoking: Places = NOWHERE
    deadline_ms: float = 0.0
    act_by_ms: float | None = None
    classic: ClassicPart | None = None

    @property
    def topics(self) -> frozenset[str]:
        """Every topic that it reads, by name."""
        return self.matched.union(self.names)

    @property
    def holds(self) -> Places:
        """What nobody else may read yet."""
        return self.assigned | self.revoking if self.revoking else self.assigned

    def reconcile(
        self, target: Places, epoch: int, owned: Places | None, owners: Mapping[Place, str]
    ) -> bool:
        """Go as far towards a target as can be; whether anything changed.

        Args:
            owned: What the member says that it still holds; None when it did not say.
            owners: Who holds each partition of the group.
        """
        before = (self.epoch, self.previous_epoch, self.state, self.assigned, self.revoking)
        if self.state is MemberState.STABLE and self.epoch == epoch:
            return False
        current = self.epoch
        if self.state is MemberState.UNREVOKED:
            if owned is None or owned & self.revoking:
                return False
            current += 1  # it gave back what that epoch asked for
        kept = self.assigned & target
        lost = self.assigned - target
        wanted = target - kept
        mine = self.member_id
        free = frozenset(place for place in wanted if owners.get(place, mine) == mine)
        if lost and (owned is None or owned & lost):
            self._take(current, MemberState.UNREVOKED, kept, lost)
        else:
            state = MemberState.STABLE if free == wanted else MemberState.UNRELEASED
            self._take(epoch, state, kept | free, NOWHERE)
        return before != (
            self.epoch, self.previous_epoch, self.state, self.assigned, self.revoking,
        )  # fmt: skip

    def _take(self, epoch: int, state: MemberState, assigned: Places, revoking: Places) -> None:
        if epoch != self.epoch:
            self.previous_epoch = self.epoch
        self.epoch = epoch
        self.state = state
        self.assigned = assigned
        self.revoking = revoking
