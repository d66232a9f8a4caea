"""The state machine of one classic group: joins, syncs, heartbeats, leaves and time.

    Empty ──join──► Preparing ──all joined, or time is up──► Completing ──leader's sync──► Stable
      ▲                ▲  ▲                                      │                            │
      │                │  └──────── member joins, leaves, dies ──┴────────────────────────────┘
      └── nobody left ─┘

Pure: no clock, no sockets, no disk. A caller gives monotonic milliseconds in, then takes
`take_replies()` (answers to tickets, possibly of other members), `take_save()` (what should be
written to the disk; `saved()` tells the outcome) and `deadline_ms()` (when to call `tick`).
One group belongs to one event loop.

Source: Kafka's classic group protocol; KIP-62, KIP-345 (static members), KIP-394 (member id
first), KIP-814 (skip assignment).
"""

from __future__ import annotations

from summit.broker.groups.member import (
    JoinAsk,
    JoinReply,
    Member,
    Reply,
    SyncAsk,
    SyncReply,
    Ticket,
    join_error,
)
from summit.broker.groups.protocol_choice import common_protocols, select_protocol
from summit.broker.groups.states import GroupLimits, State
from summit.protocol import codes


class Group:
    """One group. See the module's text for how it is driven."""

    def __init__(self, group_id: str, limits: GroupLimits) -> None:
        self.group_id = group_id
        self.limits = limits
        self.state = State.EMPTY
        self.generation = 0
        self.protocol_type: str | None = None
        self.protocol: str | None = None
        self.leader_id: str | None = None
        self.members: dict[str, Member] = {}
        self.static_ids: dict[str, str] = {}
        self._pending: dict[str, float] = {}  # ids given by MEMBER_ID_REQUIRED → their end
        self._rebalance_deadline_ms = 0.0
        self._hold_until_ms = 0.0
        self._replies: list[tuple[Ticket, Reply]] = []
        self._save_wanted = False
        self._save_generation: int | None = None  # the generation whose assignment is being saved

    # ---- what the driver takes out ----

    def take_replies(self) -> list[tuple[Ticket, Reply]]:
        """The answers that became ready, oldest first; each is given out once."""
        replies, self._replies = self._replies, []
        return replies

    def take_save(self) -> bool:
        """Whether the group's present state should be written; asks once per change."""
        wanted, self._save_wanted = self._save_wanted, False
        return wanted

    def deadline_ms(self) -> float | None:
        """When `tick` must be called next, if nothing else happens before."""
        ends = list(self._pending.values())
        if self.state in (State.PREPARING, State.COMPLETING):
            ends.append(self._rebalance_deadline_ms)
        if self.state is State.PREPARING and self._hold_until_ms:
            ends.append(self._hold_until_ms)
        ends.extend(m.deadline_ms for m in self.members.values() if not m.is_waiting)
        return min(ends) if ends else None

    # ---- requests ----

    def join(self, ask: JoinAsk, ticket: Ticket, now_ms: float) -> None:
        """Take a JoinGroup request; its answer comes out of `take_replies`, now or later."""
        limits = self.limits
        if self.state is State.DEAD:
            self._answer(ticket, join_error(codes.COORDINATOR_NOT_AVAILABLE, ask.member_id))
        elif not (
            limits.session_timeout_min_ms <= ask.session_timeout_ms <= limits.session_timeout_max_ms
        ):
            self._answer(ticket, join_error(codes.INVALID_SESSION_TIMEOUT, ask.member_id))
        elif not self._protocols_fit(ask):
            self._answer(ticket, join_error(codes.INCONSISTENT_GROUP_PROTOCOL, ask.member_id))
        elif ask.member_id == "":
            self._join_new(ask, ticket, now_ms)
        else:
            self._join_known(ask, ticket, now_ms)

    def sync(self, ask: SyncAsk, ticket: Ticket, now_ms: float) -> None:
        """Take a SyncGroup request; its answer comes out of `take_replies`, now or later."""
        error = self.check_member(ask.member_id, ask.instance_id, ask.generation)
        if error == codes.NONE and (
            ask.protocol_type not in (None, self.protocol_type)
            or ask.protocol not in (None, self.protocol)
        ):
            error = codes.INCONSISTENT_GROUP_PROTOCOL
        if error == codes.NONE and self.state is State.PREPARING:
            error = codes.REBALANCE_IN_PROGRESS
        if error != codes.NONE:
            self._answer(ticket, SyncReply(error=error))
            return
        member = self.members[ask.member_id]
        member.touch(now_ms)
        if self.state is State.STABLE:
            self._answer(ticket, self._assignment_of(member))
            return
        self._drop_sync(member, codes.REBALANCE_IN_PROGRESS)  # an earlier, repeated request
        member.sync_ticket = ticket
        if ask.member_id == self.leader_id and self._save_generation != self.generation:
            for each in self.members.values():
                each.assignment = ask.assignments.get(each.member_id, b"")
            self._save_generation = self.generation
            self._save_wanted = True

    def saved(self, generation: int, error: int = codes.NONE) -> None:
        """Hear that the state taken at `generation` is on the disk, or why it is not."""
        if generation != self._save_generation:
            return
        self._save_generation = None
        if self.state is not State.COMPLETING or generation != self.generation:
            return
        if error:
            for member in self.members.values():
                member.assignment = b""
                self._drop_sync(member, error)
            return
        self.state = State.STABLE
        for member in self.members.values():
            if member.sync_ticket is not None:
                ticket, member.sync_ticket = member.sync_ticket, None
                self._answer(ticket, self._assignment_of(member))

    def heartbeat(
        self, member_id: str, instance_id: str | None, generation: int, now_ms: float
    ) -> int:
        """Take a Heartbeat request and give its error code."""
        error = self.check_member(member_id, instance_id, generation)
        if error != codes.NONE:
            return error
        self.members[member_id].touch(now_ms)
        return codes.REBALANCE_IN_PROGRESS if self.state is State.PREPARING else codes.NONE

    def leave(self, member_id: str, instance_id: str | None, now_ms: float) -> int:
        """Remove one member; a static one may be named by its instance id alone."""
        if self.state is State.DEAD:
            return codes.COORDINATOR_NOT_AVAILABLE
        if instance_id is not None:
            current = self.static_ids.get(instance_id)
            if current is None:
                return codes.UNKNOWN_MEMBER_ID
            if member_id not in ("", current):
                return codes.FENCED_INSTANCE_ID
            member_id = current
        if self._pending.pop(member_id, None) is not None:
            if self.state is State.PREPARING:
                self._try_complete_join(now_ms)
            return codes.NONE
        if member_id not in self.members:
            return codes.UNKNOWN_MEMBER_ID
        self._remove(self.members[member_id], codes.UNKNOWN_MEMBER_ID)
        self._membership_shrank(now_ms)
        return codes.NONE

    def check_member(self, member_id: str, instance_id: str | None, generation: int) -> int:
        """Whether this member may speak for this generation: NONE or the error it gets."""
        if self.state is State.DEAD:
            return codes.COORDINATOR_NOT_AVAILABLE
        if instance_id is not None:
            current = self.static_ids.get(instance_id)
            if current is None:
                return codes.UNKNOWN_MEMBER_ID
            if current != member_id:
                return codes.FENCED_INSTANCE_ID
        if member_id not in self.members:
            return codes.UNKNOWN_MEMBER_ID
        return codes.NONE if generation == self.generation else codes.ILLEGAL_GENERATION

    def check_commit(
        self, member_id: str, instance_id: str | None, generation: int, now_ms: float
    ) -> int:
        """Whether offsets may be committed: by a member, or by anybody while nobody is in."""
        if generation < 0 and member_id == "" and instance_id is None:
            return codes.NONE if not self.members else codes.UNKNOWN_MEMBER_ID
        error = self.check_member(member_id, instance_id, generation)
        if error != codes.NONE:
            return error
        self.members[member_id].touch(now_ms)
        return codes.REBALANCE_IN_PROGRESS if self.state is State.COMPLETING else codes.NONE

    def begin_rebalance(self, now_ms: float) -> None:
        """Have all members join anew."""
        self._prepare(now_ms)

    def kill(self, error: int = codes.COORDINATOR_NOT_AVAILABLE) -> None:
        """End the group for good: every waiting request is refused."""
        for member in list(self.members.values()):
            self._remove(member, error)
        self._pending.clear()
        self.state = State.DEAD

    def restore(
        self,
        *,
        generation: int,
        protocol_type: str | None,
        protocol: str | None,
        leader_id: str | None,
        members: list[Member],
    ) -> None:
        """Bring a new group back to a generation that was saved."""
        assert self.state is State.EMPTY
        assert not self.members
        self.generation = generation
        self.protocol_type = protocol_type
        if members:
            self.state = State.STABLE
            self.protocol = protocol
            self.leader_id = leader_id
        for member in members:
            self.members[member.member_id] = member
            if member.instance_id is not None:
                self.static_ids[member.instance_id] = member.member_id

    # ---- time ----

    def tick(self, now_ms: float) -> None:
        """Let time act: sessions end, rebalances stop waiting."""
        self._pending = {m: end for m, end in self._pending.items() if end > now_ms}
        dead = [m for m in self.members.values() if not m.is_waiting and m.deadline_ms <= now_ms]
        for member in dead:
            self._remove(member, codes.UNKNOWN_MEMBER_ID)
        if dead:
            self._membership_shrank(now_ms)
        if self.state is State.PREPARING:
            self._try_complete_join(now_ms)
        elif (
            self.state is State.COMPLETING
            and now_ms >= self._rebalance_deadline_ms
            and self._save_generation != self.generation
        ):
            silent = [m for m in self.members.values() if m.sync_ticket is None]
            for member in silent:
                self._remove(member, codes.UNKNOWN_MEMBER_ID)
            self._prepare(now_ms)

    # ---- joining ----

    def _join_new(self, ask: JoinAsk, ticket: Ticket, now_ms: float) -> None:
        if ask.instance_id is not None and ask.instance_id in self.static_ids:
            self._replace_static(ask, ticket, now_ms)
            return
        if len(self.members) + len(self._pending) >= self.limits.members_max:
            self._answer(ticket, join_error(codes.GROUP_MAX_SIZE_REACHED))
            return
        if ask.instance_id is None and ask.must_know_id:
            self._pending[ask.fresh_member_id] = now_ms + ask.session_timeout_ms
            self._answer(ticket, join_error(codes.MEMBER_ID_REQUIRED, ask.fresh_member_id))
            return
        self._add(ask, ask.fresh_member_id, ticket, now_ms)

    def _join_known(self, ask: JoinAsk, ticket: Ticket, now_ms: float) -> None:
        if ask.member_id in self._pending and ask.instance_id is None:
            del self._pending[ask.member_id]
            self._add(ask, ask.member_id, ticket, now_ms)
            return
        error = self.check_member(ask.member_id, ask.instance_id, self.generation)
        if error != codes.NONE:
            self._answer(ticket, join_error(error, ask.member_id))
            return
        member = self.members[ask.member_id]
        changed = member.protocols != ask.protocols
        member.update(ask)
        member.touch(now_ms)
        needs_rebalance = (
            self.state is State.PREPARING
            or changed
            or (self.state is State.STABLE and member.member_id == self.leader_id)
        )
        if needs_rebalance:
            self._await_join(member, ticket)
            self._prepare(now_ms)
        else:
            self._answer(ticket, self._generation_of(member))

    def _add(self, ask: JoinAsk, member_id: str, ticket: Ticket, now_ms: float) -> None:
        member = Member(ask, member_id, now_ms)
        self.members[member_id] = member
        if ask.instance_id is not None:
            self.static_ids[ask.instance_id] = member_id
        if self.protocol_type is None or len(self.members) == 1:
            self.protocol_type = ask.protocol_type
        if self.leader_id is None:
            self.leader_id = member_id
        if self.limits.initial_delay_ms and (self.state is State.EMPTY or self._hold_until_ms):
            self._hold_until_ms = now_ms + self.limits.initial_delay_ms
        self._await_join(member, ticket)
        self._prepare(now_ms)

    def _replace_static(self, ask: JoinAsk, ticket: Ticket, now_ms: float) -> None:
        """Let a restarted static member take its old place under a new member id."""
        assert ask.instance_id is not None
        old_id = self.static_ids[ask.instance_id]
        member = self.members.pop(old_id)
        self._drop_join(member, codes.FENCED_INSTANCE_ID)
        self._drop_sync(member, codes.FENCED_INSTANCE_ID)
        member.member_id = ask.fresh_member_id
        self.members[member.member_id] = member
        self.static_ids[ask.instance_id] = member.member_id
        if self.leader_id == old_id:
            self.leader_id = member.member_id
        changed = member.protocols != ask.protocols
        member.update(ask)
        member.touch(now_ms)
        if self.state is not State.STABLE or (
            changed and select_protocol(self.members.values()) != self.protocol
        ):
            self._await_join(member, ticket)
            self._prepare(now_ms)
            return
        self._save_wanted = True
        reply = self._generation_of(member)
        if self.leader_id == member.member_id:
            if ask.may_skip_assignment:
                reply.skip_assignment = True
            else:
                # An older client must not assign anew: it is answered as a follower.
                reply.leader_id = old_id
                reply.members = []
        self._answer(ticket, reply)

    def _protocols_fit(self, ask: JoinAsk) -> bool:
        if not ask.protocols or not ask.protocol_type:
            return False
        others = [m for m in self.members.values() if m.member_id != ask.member_id]
        if not others:
            # A lone member may change its protocols, but not what the group is for.
            return not self.members or ask.protocol_type == self.protocol_type
        names = {name for name, _ in ask.protocols}
        return ask.protocol_type == self.protocol_type and bool(names & common_protocols(others))

    # ---- rebalancing ----

    def _prepare(self, now_ms: float) -> None:
        """Begin a rebalance (or go on with one) and finish it if everybody is already here."""
        if self.state is not State.PREPARING:
            if self.state is State.COMPLETING:
                for member in self.members.values():
                    member.assignment = b""
                    self._drop_sync(member, codes.REBALANCE_IN_PROGRESS)
            self.state = State.PREPARING
            wait_ms = max((m.rebalance_timeout_ms for m in self.members.values()), default=0)
            self._rebalance_deadline_ms = now_ms + wait_ms
        self._try_complete_join(now_ms)

    def _try_complete_join(self, now_ms: float) -> None:
        timed_out = now_ms >= self._rebalance_deadline_ms
        if self._hold_until_ms and now_ms < self._hold_until_ms and not timed_out:
            return
        everybody = not self._pending and all(
            m.join_ticket is not None for m in self.members.values()
        )
        if everybody or timed_out:
            self._complete_join(now_ms)

    def _complete_join(self, now_ms: float) -> None:
        self._hold_until_ms = 0.0
        for member in list(self.members.values()):
            # A static member keeps its place until its session ends (KIP-345).
            if member.join_ticket is None and member.instance_id is None:
                self._remove(member, codes.UNKNOWN_MEMBER_ID)
        self.generation += 1
        self._save_generation = None
        joined = [m for m in self.members.values() if m.join_ticket is not None]
        if not self.members:
            self._become_empty()
            return
        if not joined:  # only silent static members: wait for them once more
            self._rebalance_deadline_ms = now_ms + max(
                m.rebalance_timeout_ms for m in self.members.values()
            )
            return
        leader = self.members.get(self.leader_id or "")
        if leader is None or leader.join_ticket is None:
            self.leader_id = joined[0].member_id
        self.protocol = select_protocol(self.members.values())
        self.state = State.COMPLETING
        wait_ms = max(m.rebalance_timeout_ms for m in self.members.values())
        self._rebalance_deadline_ms = now_ms + wait_ms
        for member in joined:
            ticket, member.join_ticket = member.join_ticket, None
            member.touch(now_ms)
            self._answer(ticket, self._generation_of(member))

    def _membership_shrank(self, now_ms: float) -> None:
        if self.state in (State.STABLE, State.COMPLETING):
            self._prepare(now_ms)
        elif self.state is State.PREPARING:
            self._try_complete_join(now_ms)

    def _become_empty(self) -> None:
        self.state = State.EMPTY
        self.protocol = None
        self.leader_id = None
        self._save_wanted = True

    def _remove(self, member: Member, error: int) -> None:
        self._drop_join(member, error)
        self._drop_sync(member, error)
        del self.members[member.member_id]
        if member.instance_id is not None:
            self.static_ids.pop(member.instance_id, None)
        if self.leader_id == member.member_id:
            waiting = (m.member_id for m in self.members.values() if m.join_ticket is not None)
            self.leader_id = next(waiting, next(iter(self.members), None))

    # ---- small parts ----

    def _answer(self, ticket: Ticket | None, reply: Reply) -> None:
        assert ticket is not None
        self._replies.append((ticket, reply))

    def _await_join(self, member: Member, ticket: Ticket) -> None:
        # A member that asks again has given up its first request: answer it, never forget it.
        self._drop_join(member, codes.REBALANCE_IN_PROGRESS)
        member.join_ticket = ticket

    def _drop_join(self, member: Member, error: int) -> None:
        if member.join_ticket is not None:
            ticket, member.join_ticket = member.join_ticket, None
            self._answer(ticket, join_error(error, member.member_id))

    def _drop_sync(self, member: Member, error: int) -> None:
        if member.sync_ticket is not None:
            ticket, member.sync_ticket = member.sync_ticket, None
            self._answer(ticket, SyncReply(error=error))

    def _generation_of(self, member: Member) -> JoinReply:
        is_leader = member.member_id == self.leader_id
        return JoinReply(
            error=codes.NONE,
            member_id=member.member_id,
            generation=self.generation,
            protocol_type=self.protocol_type,
            protocol=self.protocol,
            leader_id=self.leader_id or "",
            members=[
                (m.member_id, m.instance_id, m.metadata(self.protocol))
                for m in self.members.values()
            ]
            if is_leader
            else [],
        )

    def _assignment_of(self, member: Member) -> SyncReply:
        return SyncReply(
            error=codes.NONE,
            protocol_type=self.protocol_type,
            protocol=self.protocol,
            assignment=member.assignment,
        )
