"""What the alert desk keeps: alerts, silences, inhibitions, cases, risks, audit. Only data."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from summit.alerts.matchers import Matchers
from summit.base.errors import Invalid

State = Literal["firing", "acknowledged", "resolved"]
# What people see of an alert: its state, unless something keeps it from being told.
Status = Literal["firing", "acknowledged", "resolved", "silenced", "inhibited", "duplicate"]
STATUSES: tuple[Status, ...] = (
    "firing", "acknowledged", "resolved", "silenced", "inhibited", "duplicate",
)  # fmt: skip


ACTIVE = "active"  # firing or acknowledged: what is left to do


def read_status(text: str) -> tuple[str, ...]:
    """The statuses that a filter means. Raises Invalid("alert.status_unknown")."""
    if text == ACTIVE:
        return ("firing", "acknowledged")
    if text not in STATUSES:
        raise Invalid("alert.status_unknown", status=text, known=", ".join((ACTIVE, *STATUSES)))
    return (text,)


class DeskSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How a desk decides. Every reader of one log must use the same.

    Attributes:
        risk_points: What an alert adds to the risk of its entities, by its severity's rank.
        risk_half_life_ms: In this time a risk halves.
        tactic_share: Each further ATT&CK tactic seen of an entity adds this share of its risk.
        case_risk: At this risk a case of the entity is opened.
    """

    risk_points: tuple[int, int, int, int, int] = (0, 10, 25, 50, 100)
    risk_half_life_ms: int = 86_400_000
    tactic_share: float = 0.25
    case_risk: float = 100.0


class Comment(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Words of somebody."""

    by: str
    at: int
    text: str


class AlertState(msgspec.Struct, kw_only=True, rename="camel"):
    """One alert's way, from firing to being over.

    Attributes:
        fired_at: When the log said so, milliseconds; `timestamp` is event time.
        count: Times it fired: itself and its duplicates, `suppressed` ones besides.
        withdrawn: How many of those times a late event has undone.
        suppressed: Alerts that its rule's `suppress` held back in its favour.
        silences: Ids of silences that mean it, ended ones included.
        inhibited_by: The open alert that mutes it.
        escalation_level: 0 = none yet.
        notify: Notifications that its rule names.
        notified_at: When people were last told.
        told: What became of each notice, by `notification/action`: `delivered`, or why not.
    """

    id: str
    severity: str
    title: str
    rule: str | None
    key: dict[str, Any]
    tags: tuple[str, ...]
    entities: tuple[str, ...]
    fired_at: int
    timestamp: int
    last_seen: int
    state: State = "firing"
    count: int = 1
    suppressed: int = 0
    withdrawn: int = 0
    acknowledged_by: str | None = None
    acknowledged_at: int | None = None
    resolved_by: str | None = None
    resolved_at: int | None = None
    assignee: str | None = None
    escalation_level: int = 0
    escalated_at: int | None = None
    notifications_sent: int = 0
    notifications_failed: int = 0
    notified_at: int | None = None
    notify: tuple[str, ...] = ()
    told: dict[str, str] = {}
    case: str | None = None
    comments: list[Comment] = []
    silences: list[str] = []
    inhibited_by: str | None = None

    @property
    def is_open(self) -> bool:
        """Whether it is not over."""
        return self.state != "resolved"


class Silence(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Alerts that are muted from `since` until `until`, exclusive."""

    id: str
    matchers: Matchers
    since: int
    until: int
    reason: str
    by: str


class Inhibition(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Open alerts of `source` mute those of `target` about the same entity."""

    id: str
    source: Matchers
    target: Matchers
    since: int
    reason: str
    by: str


class Case(msgspec.Struct, kw_only=True, rename="camel"):
    """Alerts about one entity, or about several, as one piece of work.

    Attributes:
        alerts: Ids, the first ones; `alert_count` counts all.
        previous: The case of the same entity that was closed before.
    """

    id: str
    title: str
    entities: list[str]
    opened_at: int
    opened_by: str
    state: Literal["open", "closed"] = "open"
    severity: str = "info"
    alerts: list[str] = []
    alert_count: int = 0
    closed_at: int | None = None
    closed_by: str | None = None
    close_reason: str = ""
    assignee: str | None = None
    previous: str | None = None
    comments: list[Comment] = []


class Risk(msgspec.Struct, kw_only=True, rename="camel"):
    """An entity's risk as of `at`, event time; it decays from there."""

    points: float
    at: int
    alerts: int
    tactics: list[str]


class Tally(msgspec.Struct, kw_only=True, rename="camel"):
    """What became of the notices of one channel.

    Attributes:
        last_error: Why the latest one that failed did, and when that was.
    """

    sent: int = 0
    failed: int = 0
    last_sent_at: int | None = None
    last_error: str = ""
    last_error_at: int | None = None


class Audit(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """One change: who, when, what, of what, and what was before and after.

    Attributes:
        offset: Of the record that brought it.
        of: Id of the alert, silence, inhibition or case.
        refused: Why an entry changed nothing; then there is no before and after.
    """

    offset: int
    at: int
    by: str
    what: str
    of: str
    before: dict[str, Any] = {}
    after: dict[str, Any] = {}
    note: str = ""
    refused: str = ""


class DeskState(msgspec.Struct, kw_only=True):
    """Everything a desk keeps; the order of each dictionary is that of coming.

    Attributes:
        now_ms: The latest time of an entry; it never goes back.
        next_offset: Entries below it are taken.
        closed: Alerts that are over, in the order of their ends: the first to be evicted.
        duplicates: The alert that each duplicate went into.
        last_case: By entity, its latest case.
        channels: By channel or notification, what became of its notices.
        counters: What was dropped, refused and evicted.
    """

    now_ms: int = 0
    next_offset: int = 0
    alerts: dict[str, AlertState] = {}
    closed: dict[str, None] = {}
    duplicates: dict[str, str] = {}
    silences: dict[str, Silence] = {}
    inhibitions: dict[str, Inhibition] = {}
    cases: dict[str, Case] = {}
    last_case: dict[str, str] = {}
    channels: dict[str, Tally] = {}
    risks: dict[str, Risk] = {}
    audit: list[Audit] = []
    made: dict[str, int] = {}
    counters: dict[str, int] = {}
