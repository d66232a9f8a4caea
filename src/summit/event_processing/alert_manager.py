"""`AlertManager`: the guide's manager of alerts: rules on metrics, states, silences, escalation."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final, Self

import msgspec

from summit.alerts import Alert, AlertDesk, Decision
from summit.alerts.desk_state import AlertState, Audit
from summit.alerts.entries import (
    Acknowledge,
    AddComment,
    AddSilence,
    LiftSilence,
    Resolve,
    fired_entry,
)
from summit.alerts.matchers import read_matchers
from summit.alerts.metric_rules import Changed, MetricRules
from summit.base.clock import Clock, SystemClock
from summit.base.emitter import Emitter, Payload
from summit.base.errors import Closed, Conflict, Invalid, SummitError
from summit.base.rand import Rand
from summit.base.tasks import Tasks
from summit.base.units import parse_duration_ms
from summit.event_processing.alert_rules import AlertRule, NewAlert, made_alert
from summit.event_processing.alert_store import AlertStore, LogStore, MemoryStore
from summit.event_processing.alert_telling import Telling
from summit.events.severities import SEVERITIES, severity_rank
from summit.notify import NotificationChannel

SYSTEM: Final = "summit"
_TICK_S: Final = 0.25


class AlertManager(Emitter):
    """Alerts on their way from firing to resolved; one loop's, from `start` to `stop`.

    With `bootstrap_servers`, or a `MessageBroker`, everything stands on the log (`alerts`,
    `_summit.alert-state`): it outlives the process, is what `GET /api/alerts` shows, and what
    others do there is told here, too. Without, it is in memory and gone with the process;
    `is_durable` says which. Rules, channels and the values of metrics are this process's in either
    case; people are told of the alerts that are fired here.

    Also `async with`. Without `start` nothing happens by time: call `tick`.

    An open alert with the same key, title and severity takes a new one in: one alert, with a count.
    Notifications are sent once the alert is kept, in the background (`flush` waits); a silenced or
    inhibited alert is told when it is no longer, a throttled one when its time has come, both
    if they still fire.

    Events: `rule:registered`, `rule:removed` {rule}; `alert:fired`, `alert:acknowledged`,
    `alert:resolved` with the `Alert`; `alert:silenced` instead of `alert:fired` for one that is
    muted when it fires; `alert:escalated` {alert, level}; `notification:sent` {config, alert,
    action} and `notification:failed` {config, alert, action, error}; `error`.

    Args:
        broker: A started `MessageBroker`.
    """

    def __init__(
        self,
        *,
        bootstrap_servers: Sequence[str] | str | None = None,
        broker: Any = None,
        clock: Clock | None = None,
    ) -> None:
        super().__init__()
        if broker is not None and bootstrap_servers is not None:
            reason = "give either broker or bootstrap_servers"
            raise Invalid("config.invalid", reason=reason, pointer="/broker")
        if broker is not None:
            bootstrap_servers = broker.address
        if isinstance(bootstrap_servers, str):
            bootstrap_servers = bootstrap_servers.split(",")
        self._clock = clock or SystemClock()
        self._rand = Rand()
        self._rules: dict[str, AlertRule] = {}
        self._metrics = MetricRules()
        self._rule_alerts: dict[tuple[str, Any], str] = {}  # what rules have firing
        self._unfired: dict[tuple[str, Any], Changed] = {}  # what rules have come to
        self._over: dict[tuple[str, Any], None] = {}  # whose alert is to be resolved
        self._settling = asyncio.Lock()
        self._store: AlertStore = (
            MemoryStore(self._clock, self._decided)
            if bootstrap_servers is None
            else LogStore(bootstrap_servers, self._clock, self._decided)
        )
        self._telling = Telling(self, self._store, self._rules, self._clock)
        self._tasks = Tasks(lambda _, error: self.emit("error", Payload(error=error)))
        self._state = "new" if self.is_durable else "open"

    # ---- life ----

    async def start(self) -> None:
        """Read what is there; from now on time alone makes rules fire and alerts escalate.

        Raises: Unavailable where no broker answers; Closed when it was stopped.
        """
        if self._state == "closed":
            raise Closed("client.closed", what="AlertManager")
        if self._state == "new":
            await self._store.start()
        self._state = "open"
        self._telling.begin()
        self._find_rule_alerts()
        self._tasks.spawn(self._tick_on(), "alert-manager.tick")

    async def stop(self) -> None:
        """Send what is on its way, then let go. Idempotent."""
        if self._state == "closed":
            return
        self._state = "closed"
        await self._tasks.cancel_all()
        await self._telling.close()
        await self._store.stop()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    @property
    def is_durable(self) -> bool:
        """Whether alerts and all that is done about them outlive this process."""
        return self._store.is_durable

    async def tick(self) -> None:
        """Do what is due by now: rules fire, alerts escalate, others are told of at last."""
        self._changed(self._metrics.advance(self._clock.now_ms()))
        await self._settle()
        await self._telling.tick()

    async def flush(self, timeout_ms: int = 30_000) -> None:
        """Wait until the notifications on their way have ended, well or not."""
        await self._telling.flush(timeout_ms)

    async def _tick_on(self) -> None:
        while True:
            await asyncio.sleep(_TICK_S)
            try:
                await self.tick()
            except SummitError as error:  # a broker that is away: the next tick tries again
                self.emit("error", Payload(error=error))

    # ---- rules, channels, metrics ----

    def register_rule(self, rule: AlertRule | Mapping[str, Any]) -> None:
        """Let a rule act from now on; the same id replaces it.

        Raises: Invalid("config.invalid", "config.unknown_key", "alert.channel_unknown").
        """
        made = rule if isinstance(rule, AlertRule) else AlertRule.from_dict(rule)
        for channel in made.channels:
            self._telling.insist_known(channel)
        self._rules[made.id] = made
        self._metrics.remove_rule(made.id)
        if made.conditions:
            self._metrics.set_rule(made.id, [condition.plan() for condition in made.conditions])
        self.emit("rule:registered", Payload(rule=made))

    def remove_rule(self, rule_id: str) -> bool:
        """Let a rule act no more; its alerts stay. False when there is none."""
        rule = self._rules.pop(rule_id, None)
        if rule is None:
            return False
        self._metrics.remove_rule(rule_id)
        self._rule_alerts = {n: a for n, a in self._rule_alerts.items() if n[0] != rule_id}
        self.emit("rule:removed", Payload(rule=rule))
        return True

    def register_notification_channel(
        self, channel: NotificationChannel | Mapping[str, Any]
    ) -> None:
        """Make a channel known by its id; the same id replaces it. Raises Invalid."""
        self._telling.add_channel(channel)

    async def record_metric(
        self,
        name: str,
        value: float,
        *,
        key: Mapping[str, Any] | None = None,
        timestamp: int | None = None,
    ) -> None:
        """Take a metric's value: rules may become pending, fire, or be over.

        Args:
            key: What it was measured of (`{"host": "web1"}`): each has alerts of its own.
            timestamp: When it was measured; by default now. What is later than now counts as now,
                what is before the last value of the metric is only counted.
        Raises: Invalid("alert.metric_invalid"); what `fire_alert` raises: the next value, or
            `tick`, then tries again.
        """
        now_ms = self._clock.now_ms()
        at_ms = now_ms if timestamp is None else min(timestamp, now_ms)
        self._insist_open()
        named = _named(key or {})
        if not all(isinstance(part, str | int | float | bool | None) for _, part in named):
            raise Invalid("alert.metric_invalid", name=name, reason="its key holds no plain values")
        self._changed(self._metrics.observe(name, value, named, at_ms))
        await self._settle(named)

    def get_pending_rules(self) -> list[dict[str, Any]]:
        """Rules whose conditions hold, not for long enough yet: {rule, key}."""
        return [{"rule": rule, "key": dict(key)} for rule, key in self._metrics.pending()]  # type: ignore[call-overload]

    # ---- alerts ----

    async def fire_alert(
        self, alert: Alert | NewAlert | Mapping[str, Any], rule_id: str | None = None
    ) -> str:
        """Fire an alert; returns its id, or that of the open alert that took it in.

        Args:
            alert: At least a title; a severity, unless the rule has one.
            rule_id: Of a registered rule: whose channels, throttle and escalation apply.
        Raises: Invalid("alert.rule_invalid", "alert.channel_unknown", "config.unknown_key");
            Unavailable when it could not be kept.
        """
        self._insist_open()
        rule = None if rule_id is None else self._rules.get(rule_id)
        if rule_id is not None and rule is None:
            raise Invalid("alert.rule_invalid", reason=f"there is no rule '{rule_id}'")
        made = made_alert(alert, rule, self._clock, self._rand)
        for channel in made.notify:
            self._telling.insist_known(channel)
        await self._store.add(made)
        self._telling.fires_here(made.id)
        await self._store.write([fired_entry(made, SYSTEM)])
        known = self.desk.find(made.id)
        return made.id if known is None else known.id

    async def acknowledge_alert(self, alert_id: str, user_id: str, note: str = "") -> None:
        """Somebody has taken note: it escalates no more.

        Raises: Invalid("alert.unknown"); Conflict("alert.not_firing"); Unavailable.
        """
        self._insist_open()
        await self._store.write([Acknowledge(by=user_id, id=alert_id, note=note)])

    async def resolve_alert(self, alert_id: str, user_id: str = SYSTEM, note: str = "") -> None:
        """An alert is over. Raises: as `acknowledge_alert`."""
        self._insist_open()
        await self._store.write([Resolve(by=user_id, id=alert_id, note=note)])

    async def comment_alert(self, alert_id: str, user_id: str, text: str) -> None:
        """Add words to an alert. Raises: Invalid, Conflict, Unavailable."""
        self._insist_open()
        await self._store.write([AddComment(by=user_id, id=alert_id, text=text)])

    async def silence_alerts(
        self,
        matchers: Mapping[str, Any],
        duration_ms: int | str,
        reason: str = "",
        user_id: str = SYSTEM,
    ) -> str:
        """Mute alerts, those that are open included; returns the silence's id.

        Args:
            matchers: `severity`, `tags`, `rule`, `key`, `entity`: all that are given must hold.
            duration_ms: Milliseconds, or a text such as `2h`.
        Raises: Invalid("alert.matchers", "duration.invalid"); Conflict("alert.too_many").
        """
        self._insist_open()
        until = self._clock.now_ms() + parse_duration_ms(duration_ms)
        entry = AddSilence(by=user_id, matchers=read_matchers(matchers), until=until, reason=reason)
        (decision,) = await self._store.write([entry])
        return decision.id

    async def lift_silence(self, silence_id: str, user_id: str = SYSTEM) -> None:
        """End a silence before its time. Raises: Invalid("alert.silence_unknown")."""
        self._insist_open()
        await self._store.write([LiftSilence(by=user_id, id=silence_id)])

    # ---- questions ----

    @property
    def desk(self) -> AlertDesk:
        """What has become of every alert, with cases, risks and audit; for reading."""
        return self._store.desk

    def get_active_alerts(self) -> list[Alert]:
        """Alerts that fire or are acknowledged, and are not muted, in the order of firing."""
        return [
            self.alert_of(state)
            for state in self.desk.state.alerts.values()
            if self._status(state) in ("firing", "acknowledged")
        ]

    def get_alerts_by_severity(self, severity: str) -> list[Alert]:
        """The active ones of a severity. Raises Invalid("alert.severity_unknown")."""
        if severity_rank(severity) is None:
            raise Invalid("alert.severity_unknown", severity=severity, known=", ".join(SEVERITIES))
        return [alert for alert in self.get_active_alerts() if alert.severity == severity.lower()]

    def get_alert_state(self, alert_id: str) -> AlertState:
        """What has become of an alert. Raises Invalid("alert.unknown")."""
        found = self.desk.find(alert_id)
        if found is None:
            raise Invalid("alert.unknown")
        return found

    def get_statistics(self) -> dict[str, Any]:
        """Counts of the alerts that are known, by the names of the wire; `total` has all states."""
        states = list(self.desk.state.alerts.values())
        by_status = Counter(self._status(state) for state in states)
        by_severity = Counter(state.severity for state in states)
        counters = self.desk.state.counters
        return {
            "total": len(states),
            **{name: by_status[name] for name in (
                "firing", "acknowledged", "resolved", "silenced", "inhibited",
            )},
            "bySeverity": {name: by_severity[name] for name in reversed(SEVERITIES)},
            "pending": len(self._metrics.pending()),
            "lateValues": self._metrics.late,
            "duplicates": counters.get("duplicates", 0),
            "notificationsSent": sum(state.notifications_sent for state in states),
            "notificationsFailed": sum(state.notifications_failed for state in states),
        }  # fmt: skip

    # ---- inside ----

    def _insist_open(self) -> None:
        if self._state != "open":
            what = "AlertManager that is not started" if self._state == "new" else "AlertManager"
            raise Closed("client.closed", what=what)

    def _status(self, state: AlertState) -> str:
        return self.desk.status(state, self._clock.now_ms())

    def alert_of(self, state: AlertState) -> Alert:
        """The alert of a state, counted and seen as of now."""
        kept = self._store.alert(state.id)
        if kept is None:  # evicted from the view: what the desk knows of it
            kept = Alert(
                id=state.id, timestamp=state.timestamp, severity=state.severity,
                title=state.title, description="", events=[], pattern=state.rule, key=state.key,
                first_seen=state.timestamp, tags=list(state.tags),
            )  # fmt: skip
        return msgspec.structs.replace(kept, count=state.count, last_seen=state.last_seen)

    def _changed(self, changes: Sequence[Changed]) -> None:
        for change in changes:
            if change.state == "firing":
                self._unfired.setdefault((change.rule, change.key), change)

    async def _settle(self, key: Any = None) -> None:
        """Fire what rules came to, and resolve what is over; what fails stays to be done.

        Args:
            key: Of the value that came: alerts of this key may be over.
        """
        async with self._settling:  # while one change is written nobody else acts on it
            for name, change in list(self._unfired.items()):
                try:
                    await self._fire(change)
                except Invalid:
                    del self._unfired[name]  # it would be refused again
                    raise
                del self._unfired[name]
                self._over[name] = None
            if key is not None:
                self._over |= {name: None for name in self._rule_alerts if name[1] == key}
            for name in list(self._over):
                if name in self._rule_alerts and self._metrics.is_over(*name):
                    await self._end(name)
                del self._over[name]

    async def _fire(self, change: Changed) -> None:
        rule = self._rules.get(change.rule)
        if rule is None:
            return
        alert = NewAlert(
            title=rule.name, key=dict(change.key), timestamp=change.at_ms,  # type: ignore[call-overload]
            metadata={"metrics": change.values},
        )  # fmt: skip
        self._rule_alerts[change.rule, change.key] = await self.fire_alert(alert, rule.id)

    async def _end(self, name: tuple[str, Any]) -> None:
        """The conditions of a rule hold no more: what it has firing is over."""
        state = self.desk.find(self._rule_alerts[name])
        if state is not None and state.is_open:
            try:
                await self.resolve_alert(state.id, note="its conditions hold no more")
            except Conflict:
                pass  # somebody else was faster
        del self._rule_alerts[name]

    def _find_rule_alerts(self) -> None:
        """After a start: which open alert a rule has for a key."""
        for state in self.desk.state.alerts.values():
            if state.is_open and state.rule is not None:
                self._rule_alerts.setdefault((state.rule, _named(state.key)), state.id)

    def _decided(self, decision: Decision) -> None:
        for change in decision.changes:
            if not change.refused:
                self._tell(change)

    def _tell(self, change: Audit) -> None:
        name = _EVENTS.get(change.what)
        state = self.desk.state.alerts.get(change.of)
        if state is None:
            return
        if name is not None:
            alert = self.alert_of(state)
            level = change.after.get("level")
            if change.what == "fired" and self._status(state) != "firing":
                name = "alert:silenced"
            self.emit(name, alert if level is None else Payload(alert=alert, level=level))
        self._telling.changed(change, state)


def _named(key: Mapping[str, Any]) -> tuple[tuple[str, Any], ...]:
    """A key whose parts were given in any order."""
    return tuple(sorted(key.items()))


_EVENTS: Final = {
    "fired": "alert:fired",
    "acknowledge": "alert:acknowledged",
    "resolve": "alert:resolved",
    "escalated": "alert:escalated",
}
