"""A consumer group whose partitions the broker assigns: heartbeats, leaves and time.

    epoch             goes up with every change of members, subscriptions or their topics
    assignment epoch  the group epoch that the target assignment was made for
    member's epoch    the target that the member has come to (see `consumer_member`)

Pure: no clock, no sockets, no disk. A caller gives monotonic milliseconds in, takes `take_dirty()`
(what should be written to the disk) before it sends any answer, and calls `tick` at
`deadline_ms()`. One group belongs to one event loop.

Source: KIP-848; the codes are those of Kafka 4.3.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

from summit.broker.groups.assignment import NOWHERE, Place, Places
from summit.broker.groups.assignors import ASSIGNORS, DEFAULT_ASSIGNOR, Reader, Sizes
from summit.broker.groups.consumer_member import (
    JOINING,
    LEAVING_FOR_A_WHILE,
    ConsumerMember,
    MemberState,
)
from summit.protocol import codes

Dirty = tuple[str, str]  # what ("group", "targets", "member", "target", "current"), of which member


FIRST_EPOCH: Final = 1  # of a group that nobody has joined yet, as in Kafka


class TopicShapes(Protocol):
    """What a group must know of the topics."""

    @property
    def version(self) -> int:
        """Another number after every topic that comes, goes or grows."""
        ...

    def sizes(self, names: frozenset[str]) -> Sizes:
        """Ids and partition counts of those topics that there are."""
        ...

    def matching(self, pattern: str) -> frozenset[str]:
        """Names of the topics that a regular expression matches as a whole."""
        ...


@dataclass(slots=True, kw_only=True)
class Beat:
    """A heartbeat as the group sees it; None = not changed since the last one.

    Attributes:
        owned: What the member says that it holds.
        may_see: Whether a topic that a pattern matches may be seen by who asks.
    """

    member_id: str
    epoch: int
    instance_id: str | None = None
    rack_id: str | None = None
    client_id: str = ""
    client_host: str = ""
    rebalance_timeout_ms: int | None = None
    names: list[str] | None = None
    pattern: str | None = None
    assignor: str | None = None
    owned: Places | None = None
    may_see: Callable[[str], bool] | None = None

    @property
    def is_full(self) -> bool:
        """Whether it says everything, and so wants to hear everything."""
        return self.epoch == JOINING or (
            self.rebalance_timeout_ms is not None
            and (self.names is not None or self.pattern is not None)
            and self.owned is not None
        )


@dataclass(slots=True, kw_only=True)
class BeatReply:
    """The answer to a heartbeat; `assignment` is None where the member knows it."""

    error: int
    member_id: str = ""
    epoch: int = 0
    assignment: Places | None = None


@dataclass(frozen=True, slots=True)
class ConsumerLimits:
    """What a group of this kind allows. Milliseconds."""

    session_timeout_ms: int = 45_000
    heartbeat_interval_ms: int = 5_000
    members_max: int = 1_000


class ConsumerGroup:
    """One group. See the module's text for how it is driven."""

    def __init__(self, group_id: str, limits: ConsumerLimits, topics: TopicShapes) -> None:
        self.group_id = group_id
        self.limits = limits
        self.epoch = FIRST_EPOCH
        self.assignment_epoch = 0
        self.members: dict[str, ConsumerMember] = {}
        self.static_ids: dict[str, str] = {}
        self.targets: dict[str, Places] = {}
        self.owners: dict[Place, str] = {}
        self._topics = topics
        self._topics_version = -1
        self._sizes: Sizes = {}
        self._dirty: dict[Dirty, None] = {}

    # ---- what the driver takes out ----

    def take_dirty(self) -> list[Dirty]:
        """What has changed since the last call and should be written."""
        dirty, self._dirty = list(self._dirty), {}
        return dirty

    def give_back(self, dirty: list[Dirty]) -> None:
        """Hear that these could not be written: they are still to be."""
        self._dirty = {**dict.fromkeys(dirty), **self._dirty}

    def deadline_ms(self) -> float | None:
        """When `tick` must be called next, if nothing else happens before."""
        ends = [member.deadline_ms for member in self.members.values()]
        ends += [m.act_by_ms for m in self.members.values() if m.act_by_ms is not None]
        return min(ends) if ends else None

    @property
    def state(self) -> str:
        """The name that descriptions give."""
        if not self.members:
            return "Empty"
        if self.epoch > self.assignment_epoch:
            return "Assigning"
        for member in self.members.values():
            if member.epoch != self.assignment_epoch or member.state is not MemberState.STABLE:
                return "Reconciling"
        return "Stable"

    @property
    def assignor(self) -> str:
        """The assignor that most members ask for."""
        votes = Counter(m.assignor for m in self.members.values() if m.assignor is not None)
        return votes.most_common(1)[0][0] or DEFAULT_ASSIGNOR if votes else DEFAULT_ASSIGNOR

    @property
    def subscribed(self) -> frozenset[str]:
        """Every topic that a member reads, by name."""
        return frozenset().union(*(member.topics for member in self.members.values()))

    @property
    def is_all_classic(self) -> bool:
        """Whether there are members, and all of them speak the classic protocol."""
        return bool(self.members) and all(m.classic is not None for m in self.members.values())

    # ---- requests ----

    def heartbeat(self, beat: Beat, now_ms: float) -> BeatReply:
        """Take a heartbeat that does not leave."""
        if beat.member_id not in self.members and len(self.members) >= self.limits.members_max and (
            beat.instance_id not in self.static_ids
        ):  # fmt: skip
            return BeatReply(error=codes.GROUP_MAX_SIZE_REACHED)
        member, error = self._member_of(beat)
        if member is None:
            return BeatReply(error=error)
        before = member.assigned
        is_new = member.member_id not in self.members
        error, changed = self._subscribe(member, beat, is_new=is_new)
        if error != codes.NONE:
            return BeatReply(error=error)
        if is_new:
            self.put(member)
        elif beat.epoch == JOINING:
            # It begins anew, and so holds nothing.
            member.epoch = member.previous_epoch = JOINING
            member.state = MemberState.STABLE
            self.hold(member, NOWHERE)
        if member.classic is not None:
            member.classic = None
            self._dirty["member", member.member_id] = None
        self.settle(member, beat.owned, now_ms, changed=changed)
        member.deadline_ms = now_ms + self.limits.session_timeout_ms
        is_told = beat.is_full or member.assigned != before
        return BeatReply(
            error=codes.NONE,
            member_id=member.member_id,
            epoch=member.epoch,
            assignment=member.assigned if is_told else None,
        )

    def leave(self, member_id: str, instance_id: str | None, *, for_a_while: bool = False) -> int:
        """Take a member out, or let a static one go for a while; the error code."""
        if instance_id is not None:
            current = self.static_ids.get(instance_id)
            if current is None:
                return codes.UNKNOWN_MEMBER_ID
            if member_id not in ("", current):
                return codes.FENCED_INSTANCE_ID
            member_id = current
        member = self.members.get(member_id)
        if member is None:
            return codes.UNKNOWN_MEMBER_ID
        if for_a_while:
            member.epoch = LEAVING_FOR_A_WHILE
            member.act_by_ms = None
            self.hold(member, member.assigned)
        else:
            self.remove(member)
        return codes.NONE

    def check_commit(self, member_id: str, epoch: int, version: int | None) -> int:
        """Whether offsets may be committed: by a member, or by anybody while nobody is in.

        Args:
            version: Of an OffsetCommit request; None for a transaction's.
        """
        if epoch < 0 and not self.members:
            return codes.NONE
        member = self.members.get(member_id)
        if member is None:
            return codes.UNKNOWN_MEMBER_ID
        if version is not None and member.classic is None and version < 9:
            return codes.UNSUPPORTED_VERSION
        return self.check_epoch(member_id, epoch)

    def check_epoch(self, member_id: str, epoch: int) -> int:
        """Whether a member speaks for its present epoch."""
        member = self.members.get(member_id)
        if member is None:
            return codes.UNKNOWN_MEMBER_ID
        if member.epoch == epoch:
            return codes.NONE
        return codes.ILLEGAL_GENERATION if member.classic else codes.STALE_MEMBER_EPOCH

    def tick(self, now_ms: float) -> None:
        """Let time act: sessions end, and whoever does not give back is put out."""
        for member in list(self.members.values()):
            is_late = member.act_by_ms is not None and member.act_by_ms <= now_ms
            if member.deadline_ms <= now_ms or is_late:
                self.remove(member)

    # ---- members ----

    def _member_of(self, beat: Beat) -> tuple[ConsumerMember | None, int]:
        """The member that a heartbeat is from, new where it may join; or the error."""
        if beat.instance_id is not None:
            return self._static_member_of(beat)
        member = self.members.get(beat.member_id)
        if member is None:
            if beat.epoch != JOINING:
                return None, codes.UNKNOWN_MEMBER_ID
            return ConsumerMember(member_id=beat.member_id), codes.NONE
        error = _check(member, beat)
        return (member if error == codes.NONE else None), error

    def _static_member_of(self, beat: Beat) -> tuple[ConsumerMember | None, int]:
        instance_id = beat.instance_id
        assert instance_id is not None
        current = self.members.get(self.static_ids.get(instance_id, ""))
        if beat.epoch != JOINING:
            if current is None:
                return None, codes.UNKNOWN_MEMBER_ID
            if current.member_id != beat.member_id:
                return None, codes.FENCED_INSTANCE_ID
            error = _check(current, beat)
            return (current if error == codes.NONE else None), error
        if current is None:
            return ConsumerMember(member_id=beat.member_id, instance_id=instance_id), codes.NONE
        if current.member_id != beat.member_id:
            # A classic member leaves without a word: its place is taken.
            if current.classic is None and current.epoch != LEAVING_FOR_A_WHILE:
                return None, codes.UNRELEASED_INSTANCE_ID
            self.replace(current, beat.member_id)
        return current, codes.NONE

    def replace(self, member: ConsumerMember, member_id: str) -> None:
        """Let a static member that came back take its old place under a new member id."""
        old_id = member.member_id
        held = member.holds
        del self.members[old_id]
        for what in ("member", "target", "current"):
            self._dirty[what, old_id] = None
        for place in held:
            self.owners.pop(place, None)
        target = self.targets.pop(old_id, NOWHERE)
        member.member_id = member_id
        member.epoch = member.previous_epoch = JOINING
        member.state = MemberState.STABLE
        self.set_target(member_id, target)
        self.put(member)
        self.hold(member, member.assigned)

    def put(self, member: ConsumerMember) -> None:
        """Let a member in, or in under another id."""
        self.members[member.member_id] = member
        if member.instance_id is not None:
            self.static_ids[member.instance_id] = member.member_id
        self._dirty["member", member.member_id] = None
        self._dirty["current", member.member_id] = None

    def remove(self, member: ConsumerMember) -> None:
        """Take a member out: what it held is free, and the group comes to a new epoch."""
        member_id = member.member_id
        for place in member.holds:
            self.owners.pop(place, None)
        del self.members[member_id]
        self.targets.pop(member_id, None)
        if member.instance_id is not None:
            self.static_ids.pop(member.instance_id, None)
        for what in ("member", "target", "current"):
            self._dirty[what, member_id] = None
        self._sizes = self._topics.sizes(self.subscribed)
        self._next_epoch()

    def hold(self, member: ConsumerMember, assigned: Places, revoking: Places = NOWHERE) -> None:
        """Have a member hold exactly these."""
        for place in member.holds:
            self.owners.pop(place, None)
        member.assigned, member.revoking = assigned, revoking
        for place in member.holds:
            self.owners[place] = member.member_id
        self._dirty["current", member.member_id] = None

    def set_target(self, member_id: str, places: Places) -> None:
        """Have a member's target be this."""
        self.targets[member_id] = places
        self._dirty["target", member_id] = None

    def mark_epochs(self) -> None:
        """Have both epochs written."""
        self._dirty["group", ""] = None
        self._dirty["targets", ""] = None

    # ---- subscriptions and assignments ----

    def _subscribe(self, member: ConsumerMember, beat: Beat, *, is_new: bool) -> tuple[int, bool]:
        """Take over what a heartbeat says of its member: an error, or whether topics changed."""
        old = (member.names, member.pattern, member.matched)
        pattern = member.pattern if beat.pattern is None else beat.pattern or None
        if pattern != member.pattern or (
            pattern is not None and member.matched_version != self._topics.version
        ):
            try:
                found = self._topics.matching(pattern) if pattern is not None else frozenset()
            except ValueError:
                return codes.INVALID_REGULAR_EXPRESSION, False
            may_see = beat.may_see
            member.matched = found if may_see is None else frozenset(filter(may_see, found))
            member.matched_version = self._topics.version
        kept = (member.rack_id, member.rebalance_timeout_ms, member.assignor, member.client_id,
                member.client_host, member.names, member.pattern)  # fmt: skip
        member.pattern = pattern
        if beat.names is not None:
            member.names = sorted(set(beat.names))
        if beat.rebalance_timeout_ms is not None:
            member.rebalance_timeout_ms = beat.rebalance_timeout_ms
        member.rack_id = member.rack_id if beat.rack_id is None else beat.rack_id
        member.assignor = member.assignor if beat.assignor is None else beat.assignor
        member.client_id, member.client_host = beat.client_id, beat.client_host
        if not is_new and kept != (
            member.rack_id, member.rebalance_timeout_ms, member.assignor, member.client_id,
            member.client_host, member.names, member.pattern,
        ):  # fmt: skip
            self._dirty["member", member.member_id] = None
        return codes.NONE, is_new or old != (member.names, member.pattern, member.matched)

    def settle(
        self, member: ConsumerMember, owned: Places | None, now_ms: float, *, changed: bool
    ) -> None:
        """After a change of a member or the topics: new epoch and target where needed, then go on
        with this member."""
        if changed or self._topics_version != self._topics.version:
            self._topics_version = self._topics.version
            sizes = self._topics.sizes(self.subscribed)
            if changed or sizes != self._sizes:
                self._sizes = sizes
                self._next_epoch()
        if self.epoch > self.assignment_epoch:
            self._assign()
        target = self.targets.get(member.member_id, NOWHERE)
        held = member.holds
        if member.reconcile(target, self.assignment_epoch, owned, self.owners):
            now_held = member.holds
            for place in held - now_held:
                self.owners.pop(place, None)
            for place in now_held - held:
                self.owners[place] = member.member_id
            self._dirty["current", member.member_id] = None
            if member.classic is None:
                gives = member.state is MemberState.UNREVOKED
                member.act_by_ms = now_ms + member.rebalance_timeout_ms if gives else None

    def _next_epoch(self) -> None:
        self.epoch += 1
        self._dirty["group", ""] = None

    def _assign(self) -> None:
        """Make the target assignment of the present epoch."""
        topic_ids = {}
        readers = {}
        for member_id, member in self.members.items():
            names = member.topics
            if names not in topic_ids:
                topic_ids[names] = frozenset(self._topics.sizes(names))
            readers[member_id] = Reader(
                (member.instance_id or "", member_id), topic_ids[names],
                self.targets.get(member_id, NOWHERE),
            )  # fmt: skip
        targets = ASSIGNORS[self.assignor](readers, self._sizes)
        for member_id, places in targets.items():
            if self.targets.get(member_id) != places:
                self.set_target(member_id, places)
        self.assignment_epoch = self.epoch
        self._dirty["targets", ""] = None

    def is_waiting(self, member: ConsumerMember) -> bool:
        """Whether others still hold something of the member's target."""
        wanted = self.targets.get(member.member_id, NOWHERE) - member.assigned
        return any(self.owners.get(place, member.member_id) != member.member_id for place in wanted)

    # ---- at start ----

    def restore(self, members: list[ConsumerMember], targets: dict[str, Places]) -> None:
        """Bring a new group back to what was saved; epochs are set by who calls."""
        for member in members:
            self.members[member.member_id] = member
            if member.instance_id is not None:
                self.static_ids[member.instance_id] = member.member_id
            for place in member.holds:
                self.owners[place] = member.member_id
            if member.pattern is not None:
                member.matched = self._topics.matching(member.pattern)
                member.matched_version = self._topics.version
        self.targets = {name: targets.get(name, NOWHERE) for name in self.members}
        self._topics_version = self._topics.version
        sizes = self._topics.sizes(self.subscribed)
        # A topic may have come or gone after the last target was written: then make a new one.
        covered = frozenset().union(*self.targets.values())
        if covered == {(topic_id, i) for topic_id, size in sizes.items() for i in range(size)}:
            self._sizes = sizes
        else:
            self._topics_version = -1


def _check(member: ConsumerMember, beat: Beat) -> int:
    """Whether a heartbeat of a known member may be from its present self.

    Who comes with the epoch before has not heard of the newer one; it may as long as it holds
    nothing that is not its own. Who joins again has dropped everything.
    """
    if beat.epoch in (member.epoch, JOINING):
        return codes.NONE
    is_behind = beat.epoch == member.previous_epoch and beat.epoch < member.epoch
    if is_behind and beat.owned is not None and beat.owned <= member.assigned:
        return codes.NONE
    return codes.FENCED_MEMBER_EPOCH
