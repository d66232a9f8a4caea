"""Notifications: who is told of which alerts, by what, and how often.

kind: notification
id: security-team
type: slack                        webhook | slack | teams | email | pagerduty | sms | topic | file
config: {url: "${SLACK_URL}"}      what the type needs; secrets only by reference
match: {severity: [high, critical], tags: [..], rule: [..], key: {..}, entity: [..]}
on: [fired, resolved]              fired | acknowledged | resolved; default fired
subject: "${severity}: ${title}"   texts with holes: fields of the alert
text: "${description}"
retry: {attempts: 5, backoff: 2s}  the pause doubles up to a minute
rateLimit: {count: 10, per: 1m}    what is beyond it waits, and goes out as one
digest: {every: 5m, max: 50}
escalate: [{after: 15m, notify: [on-call], users: [ops@example.com]}]
repeat: 30m                        the last level again and again

An alert goes to the notifications that its rule names in `notify`, and to those whose `match`
holds. `escalate` begins with the firing and ends when somebody acknowledges.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from summit.base.limits import (
    DIGEST_ALERTS_MAX,
    ESCALATION_LEVELS_MAX,
    NOTICE_ATTEMPTS_MAX,
    NOTICES_WAITING_MAX,
)
from summit.documents.checked import CheckedDocument
from summit.documents.head import HEAD_FIELDS, read_head, subject_of
from summit.documents.plan import TemplatePlan
from summit.documents.problems import Problems
from summit.documents.section import Section
from summit.documents.templates import read_text_template

NOTIFICATION_FIELDS: Final = (
    *HEAD_FIELDS, "type", "config", "match", "on", "subject", "text", "retry", "rateLimit",
    "digest", "escalate", "repeat",
)  # fmt: skip
ToldAction = Literal["fired", "acknowledged", "resolved"]
TOLD_ACTIONS: Final[tuple[ToldAction, ...]] = ("fired", "acknowledged", "resolved")
NOTIFICATION_TYPES: Final = (
    "webhook", "slack", "teams", "email", "pagerduty", "sms", "topic", "file",
)  # fmt: skip
ALONE: Final = ("pagerduty", "topic", "file")  # each alert is one thing to them


@dataclass(frozen=True, slots=True)
class EscalationPlan:
    """One level: whom it reaches, and how long after the firing."""

    after_ms: int
    notify: tuple[str, ...]
    users: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class NotificationPlan:
    """What a notification means.

    Attributes:
        config: Of its type, references to secrets unresolved.
        match: Matchers as they were given; None = only rules that name it reach it.
        attempts: How often a notice is tried in all.
        rate_count: At most so many messages in `rate_ms`; 0 = no limit.
        digest_ms: Alerts wait so long for others and go out as one message; 0 = at once.
        digest_max: At most so many alerts in one message.
    """

    id: str
    type: str
    config: Mapping[str, Any]
    match: Mapping[str, Any] | None = None
    on: tuple[ToldAction, ...] = ("fired",)
    subject: TemplatePlan | None = None
    text: TemplatePlan | None = None
    attempts: int = 5
    backoff_ms: int = 2_000
    rate_count: int = 0
    rate_ms: int = 0
    digest_ms: int = 0
    digest_max: int = 50
    escalate: tuple[EscalationPlan, ...] = ()
    repeat_ms: int | None = None


class NotificationDocument(CheckedDocument[NotificationPlan]):
    """A notification that is free of problems, as far as its text tells."""

    kind = "notification"


def validate_notification(values: Mapping[str, Any], *, source: str = "") -> NotificationDocument:
    """Check a notification; its `config` and `match` are checked by those who use them.

    Raises: Invalid("document.invalid") with all `problems`.
    """
    problems = Problems()
    problems.refuse_foreign(values, "notification", source)
    section = Section(values, "", problems, names=NOTIFICATION_FIELDS, noun="notification")
    head = read_head(section, "notification")
    plan = _read_plan(section, head.id or "")
    problems.raise_if_any(subject_of("notification", values, source))
    return NotificationDocument(values, plan.id, head.enabled, plan)


def _read_plan(section: Section, name: str) -> NotificationPlan:
    kind = section.choice("type", NOTIFICATION_TYPES)
    if not section.has("type"):
        section.note("type", f"a notification needs 'type': {', '.join(NOTIFICATION_TYPES)}")
    config = section.mapping("config")
    if config is None:
        section.note("config", "a notification needs 'config': what its type needs")
    retry = _inner(section, "retry", "attempts", "backoff")
    rate = _inner(section, "rateLimit", "count", "per")
    digest = _inner(section, "digest", "every", "max")
    if kind in ALONE and section.has("digest"):
        section.note("digest", f"{kind} takes one alert at a time")
    escalate = _read_escalation(section)
    repeat_ms = section.duration_ms("repeat", least=1_000)
    if section.has("repeat") and not escalate:
        section.note("repeat", "says how often the last level of 'escalate' is told again")
    rate_count, rate_ms = 0, 0
    if rate is not None:
        rate_count = rate.whole("count", least=1, most=NOTICES_WAITING_MAX) or 0
        rate_ms = rate.duration_ms("per", required=True) or 0
        if not rate.has("count"):
            rate.note("count", "rateLimit needs 'count'")
    return NotificationPlan(
        id=name,
        type=kind or "",
        config=config or {},
        match=section.mapping("match"),
        on=_read_on(section),
        subject=read_text_template(section, "subject"),
        text=read_text_template(section, "text"),
        attempts=5 if retry is None else _whole(retry, "attempts", NOTICE_ATTEMPTS_MAX, 5),
        backoff_ms=2_000 if retry is None else retry.duration_ms("backoff") or 2_000,
        rate_count=rate_count,
        rate_ms=rate_ms,
        digest_ms=0 if digest is None else digest.duration_ms("every", required=True) or 0,
        digest_max=50 if digest is None else _whole(digest, "max", DIGEST_ALERTS_MAX, 50),
        escalate=escalate,
        repeat_ms=repeat_ms,
    )


def _read_on(section: Section) -> tuple[ToldAction, ...]:
    given = section.texts("on")
    found = tuple(action for action in TOLD_ACTIONS if action in given)
    for action in given:
        if action not in TOLD_ACTIONS:
            section.note("on", f"'{action}' is none of {', '.join(TOLD_ACTIONS)}")
    return found or ("fired",)


def _read_escalation(section: Section) -> tuple[EscalationPlan, ...]:
    levels: list[EscalationPlan] = []
    for value, pointer in section.items("escalate"):
        if not isinstance(value, Mapping):
            section.problems.add(pointer, "must be a level: {after, notify}")
            continue
        level = Section(
            value, pointer, section.problems, names=("after", "notify", "users"), noun="level"
        )
        after_ms = level.duration_ms("after", required=True) or 0
        notify = level.texts("notify")
        if not notify:
            level.note("notify", "a level needs 'notify': ids of notifications")
        if levels and after_ms <= levels[-1].after_ms:
            level.note("after", "must be later than the level before")
        levels.append(EscalationPlan(after_ms, notify, level.texts("users")))
    if len(levels) > ESCALATION_LEVELS_MAX:
        section.note("escalate", f"has more than {ESCALATION_LEVELS_MAX} levels")
    return tuple(levels)


def _inner(section: Section, name: str, *names: str) -> Section | None:
    given = section.mapping(name)
    if given is None:
        return None
    return Section(given, section.at(name), section.problems, names=names, noun=name)


def _whole(section: Section, name: str, most: int, usual: int) -> int:
    found = section.whole(name, least=1, most=most)
    return usual if found is None else found
