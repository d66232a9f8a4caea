"""One member of a group and what passes between a group and whoever drives it."""

from __future__ import annotations

from dataclasses import dataclass, field

# Opaque to the group: whoever asked gives it in and takes it out with the reply.
Ticket = object


@dataclass(slots=True, kw_only=True)
class JoinAsk:
    """A JoinGroup request as the group sees it.

    Attributes:
        member_id: Empty for a new member.
        fresh_member_id: The id a new member will get; made by the caller so that the group
            draws no chance itself.
        must_know_id: Whether a new dynamic member first has to come back with its id (v4+).
        may_skip_assignment: Whether a static leader can be told not to assign anew (v9+).
        rebalance_timeout_ms, session_timeout_ms: Milliseconds.
        protocols: Names in the member's order of preference, with its opaque metadata.
    """

    member_id: str
    fresh_member_id: str
    instance_id: str | None = None
    client_id: str = ""
    client_host: str = ""
    protocol_type: str = "consumer"
    protocols: list[tuple[str, bytes]] = field(default_factory=list)
    session_timeout_ms: int = 30_000
    rebalance_timeout_ms: int = 60_000
    must_know_id: bool = False
    may_skip_assignment: bool = False


@dataclass(slots=True, kw_only=True)
class JoinReply:
    """The answer to a join; `members` is filled for the leader only."""

    error: int
    member_id: str = ""
    generation: int = -1
    protocol_type: str | None = None
    protocol: str | None = None
    leader_id: str = ""
    members: list[tuple[str, str | None, bytes]] = field(default_factory=list)
    skip_assignment: bool = False


@dataclass(slots=True, kw_only=True)
class SyncAsk:
    """A SyncGroup request as the group sees it; only the leader brings `assignments`."""

    member_id: str
    generation: int
    instance_id: str | None = None
    protocol_type: str | None = None
    protocol: str | None = None
    assignments: dict[str, bytes] = field(default_factory=dict)


@dataclass(slots=True, kw_only=True)
class SyncReply:
    """The answer to a sync."""

    error: int
    protocol_type: str | None = None
    protocol: str | None = None
    assignment: bytes = b""


Reply = JoinReply | SyncReply


class Member:
    """A member's own part of a group's state. Times are monotonic milliseconds."""

    __slots__ = (
        "assignment",
        "client_host",
        "client_id",
        "deadline_ms",
        "instance_id",
        "join_ticket",
        "member_id",
        "protocols",
        "rebalance_timeout_ms",
        "session_timeout_ms",
        "sync_ticket",
    )

    def __init__(self, ask: JoinAsk, member_id: str, now_ms: float) -> None:
        self.member_id = member_id
        self.instance_id = ask.instance_id
        self.client_id = ask.client_id
        self.client_host = ask.client_host
        self.rebalance_timeout_ms = ask.rebalance_timeout_ms
        self.session_timeout_ms = ask.session_timeout_ms
        self.protocols = ask.protocols
        self.assignment = b""
        self.join_ticket: Ticket | None = None
        self.sync_ticket: Ticket | None = None
        self.deadline_ms = now_ms + ask.session_timeout_ms

    @property
    def is_waiting(self) -> bool:
        """Whether the group owes this member an answer; such a member is alive by definition."""
        return self.join_ticket is not None or self.sync_ticket is not None

    def update(self, ask: JoinAsk) -> None:
        """Take over what a repeated join says."""
        self.protocols = ask.protocols
        self.rebalance_timeout_ms = ask.rebalance_timeout_ms
        self.session_timeout_ms = ask.session_timeout_ms
        self.client_id = ask.client_id
        self.client_host = ask.client_host

    def metadata(self, protocol: str | None) -> bytes:
        """The member's opaque metadata under `protocol`, empty if it does not name it."""
        for name, metadata in self.protocols:
            if name == protocol:
                return metadata
        return b""

    def touch(self, now_ms: float) -> None:
        """Push the session's end back: the member has been heard of."""
        self.deadline_ms = now_ms + self.session_timeout_ms


def join_error(error: int, member_id: str = "") -> JoinReply:
    """A join reply that only carries an error."""
    return JoinReply(error=error, member_id=member_id)
