"""What an `AlertManager` is configured with: alert rules, their conditions, escalation."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from summit.alerts import Alert, techniques_of
from summit.alerts import severity_rank as rank_of
from summit.alerts.metric_rules import OPERATORS, MetricCondition
from summit.base.clock import Clock
from summit.base.config import Config
from summit.base.errors import Invalid
from summit.base.ids import uuid7
from summit.base.rand import Rand
from summit.base.units import parse_duration_ms
from summit.events.severities import SEVERITIES


class AlertCondition(Config, frozen=True, kw_only=True):
    """A condition on a metric.

    Args:
        metric: Its name, as `record_metric` is given it.
        operator: `gt`, `gte`, `lt`, `lte`, `eq` or `ne`.
        duration: For how long it must hold before the rule fires, milliseconds or a text such as
            `5m`; until then the rule is pending.
    """

    metric: str
    operator: str
    threshold: float
    duration: int | str = 0

    def check(self) -> None:
        """Refuse unknown operators."""
        if self.operator not in OPERATORS:
            reason = f"operator '{self.operator}' is none of {', '.join(OPERATORS)}"
            raise Invalid("config.invalid", reason=reason, pointer="/operator")
        if not math.isfinite(self.threshold):
            reason = f"threshold {self.threshold} is no finite number"
            raise Invalid("config.invalid", reason=reason, pointer="/threshold")
        parse_duration_ms(self.duration)

    def plan(self) -> MetricCondition:
        """As the rules' engine takes it."""
        return MetricCondition(
            self.metric, self.operator, self.threshold, parse_duration_ms(self.duration)
        )


class EscalationLevel(Config, frozen=True, kw_only=True):
    """Who is told next.

    Args:
        delay_ms: Since the alert fired; levels come in the order of their delays.
        notify_channels: Ids of registered channels.
        notify_users: Named in the notice; those with an address get e-mail, too.
    """

    delay_ms: int
    notify_channels: list[str]
    notify_users: tuple[str, ...] = ()


class EscalationPolicy(Config, frozen=True, kw_only=True):
    """What happens while nobody acknowledges an alert.

    Args:
        repeat_interval_ms: Behind the last level, that one is told again so often; 0 = never.
    """

    levels: list[EscalationLevel]
    repeat_interval_ms: int = 300_000

    def check(self) -> None:
        """Refuse a policy that escalates nowhere, or backwards."""
        delays = [level.delay_ms for level in self.levels]
        if not delays or min(delays) < 0 or delays != sorted(delays):
            reason = "levels: at least one, with delays that do not fall"
            raise Invalid("config.invalid", reason=reason, pointer="/levels")
        if self.repeat_interval_ms < 0:
            raise Invalid("config.invalid", reason="it is negative", pointer="/repeatIntervalMs")


class AlertRule(Config, frozen=True, kw_only=True):
    """A rule on metrics, and how its alerts are told.

    Args:
        conditions: All must hold. None is allowed for a rule whose alerts are fired by hand.
        throttle_ms: Notifications of firing alerts of this rule are so far apart at least.
        notification_channels: Ids of registered channels.
    """

    id: str
    name: str
    severity: str
    conditions: tuple[AlertCondition, ...] = ()
    description: str = ""
    throttle_ms: int = 0
    escalation_policy: EscalationPolicy | None = None
    notification_channels: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    runbook: str | None = None

    def check(self) -> None:
        """Refuse a rule without an id, an unknown severity, a negative throttle."""
        if not self.id:
            raise Invalid("config.invalid", reason="a rule needs an id", pointer="/id")
        if self.severity not in SEVERITIES:
            reason = f"severity '{self.severity}' is none of {', '.join(SEVERITIES)}"
            raise Invalid("config.invalid", reason=reason, pointer="/severity")
        if self.throttle_ms < 0:
            raise Invalid("config.invalid", reason="it is negative", pointer="/throttleMs")

    @property
    def channels(self) -> list[str]:
        """Every channel it names."""
        levels = self.escalation_policy.levels if self.escalation_policy else []
        of_levels = [name for level in levels for name in level.notify_channels]
        return list(dict.fromkeys([*self.notification_channels, *of_levels]))


class NewAlert(
    msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True
):
    """An alert as it is fired by hand; what is left out is made.

    Attributes:
        id: By default a new unique one.
        key: What it is about: an open alert with the same key, title and severity takes it in.
        timestamp: By default now.
        notify: Channels that are told, besides those of the rule.
    """

    title: str
    severity: str | None = None
    id: str | None = None
    description: str = ""
    key: dict[str, Any] = {}
    timestamp: int | None = None
    tags: list[str] = []
    events: list[dict[str, Any]] = []
    metadata: dict[str, Any] = {}
    notify: list[str] = []
    runbook: str | None = None
    pattern: str | None = None


_NEW_FIELDS: Final = {f.name: f.encode_name for f in msgspec.structs.fields(NewAlert)}


def made_alert(
    given: Alert | NewAlert | Mapping[str, Any], rule: AlertRule | None, clock: Clock, rand: Rand
) -> Alert:
    """A whole alert of what was given; what is left out comes from the rule, or is made.

    Raises: Invalid("config.invalid", "alert.severity_unknown").
    """
    if isinstance(given, Alert):
        return given if rule is None else msgspec.structs.replace(given, pattern=rule.id)
    new = given if isinstance(given, NewAlert) else _new_alert(given)
    severity = new.severity or ("" if rule is None else rule.severity)
    at_ms = clock.now_ms() if new.timestamp is None else new.timestamp
    tags = list(dict.fromkeys([*new.tags, *(() if rule is None else rule.tags)]))
    return Alert(
        id=new.id or str(uuid7(clock, rand)), timestamp=at_ms,
        severity=SEVERITIES[rank_of(severity)], title=new.title,
        description=new.description or ("" if rule is None else rule.description),
        events=new.events, pattern=new.pattern if rule is None else rule.id,
        metadata=new.metadata, key=new.key, count=1, first_seen=at_ms, last_seen=at_ms,
        tags=tags, attack=techniques_of(tags), notify=new.notify,
        runbook=new.runbook or (None if rule is None else rule.runbook),
    )  # fmt: skip


def _new_alert(values: Mapping[str, Any]) -> NewAlert:
    """Of a mapping with camelCase or snake_case names. Raises Invalid("config.invalid")."""
    try:
        plain = {_NEW_FIELDS.get(name, name): value for name, value in values.items()}
        return msgspec.convert(plain, NewAlert)
    except msgspec.ValidationError as error:
        raise Invalid("config.invalid", reason=f"alert: {error}", pointer="") from error
