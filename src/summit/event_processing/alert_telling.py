"""Telling people of an `AlertManager`'s alerts: which channels, when, and what became of it."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from summit.alerts.alert import alert_dict
from summit.alerts.desk_state import AlertState, Audit
from summit.alerts.entries import Escalated, Notified
from summit.alerts.escalation import escalation_due_ms
from summit.base.clock import Clock
from summit.base.emitter import Payload
from summit.base.errors import Conflict, Invalid, SummitError
from summit.base.limits import NOTICES_WAITING_MAX
from summit.base.tasks import Tasks
from summit.event_processing.alert_rules import AlertRule, EscalationLevel
from summit.event_processing.alert_store import AlertStore
from summit.notify import Channel, Notice, NotificationChannel, open_channel

if TYPE_CHECKING:
    from summit.event_processing.alert_manager import AlertManager

SYSTEM: Final = "summit"


class Telling:
    """See the module; belongs to one manager.

    Attributes:
        dropped: Notices for which there was no room; each is told as failed.
    """

    def __init__(
        self, manager: AlertManager, store: AlertStore, rules: Mapping[str, AlertRule], clock: Clock
    ) -> None:
        self._manager = manager
        self._store = store
        self._rules = rules
        self._clock = clock
        self._channels: dict[str, tuple[NotificationChannel, Channel]] = {}
        self._gone: list[Channel] = []
        self._own: set[str] = set()  # open alerts this process has to tell of
        self._untold: dict[str, None] = {}  # those whose firing is not told yet
        self._escalating: set[str] = set()  # those whose rule has a policy
        self._told_ms: dict[str, int] = {}  # by rule, when its last firing was told
        self._waiting: dict[str, deque[Notice]] = {}  # by channel: each gets them in order
        self._idle = asyncio.Event()
        self._idle.set()
        self._tasks = Tasks()
        self.dropped = 0

    def add_channel(self, given: NotificationChannel | Mapping[str, Any]) -> None:
        """Make a channel known. Raises Invalid."""
        channel = (
            given
            if isinstance(given, NotificationChannel)
            else NotificationChannel.from_dict(given)
        )
        known = self._channels.get(channel.id)
        if known is not None:
            self._gone.append(known[1])
        self._channels[channel.id] = (channel, open_channel(channel))

    def insist_known(self, name: str) -> None:
        """Raises Invalid("alert.channel_unknown")."""
        if name not in self._channels:
            known = ", ".join(self._channels) or "none"
            raise Invalid("alert.channel_unknown", id=name, known=known)

    def begin(self) -> None:
        """After a start: alerts of this one's rules that are open are its to tell of."""
        for state in self._store.desk.state.alerts.values():
            if state.rule in self._rules:
                if state.is_open:
                    self._take(state)
                if state.is_open and state.notified_at is None:
                    self._untold[state.id] = None
                if state.notified_at is not None and state.rule is not None:
                    last_ms = max(self._told_ms.get(state.rule, 0), state.notified_at)
                    self._told_ms[state.rule] = last_ms

    def fires_here(self, alert_id: str) -> None:
        """An alert is about to fire that is this process's to tell of."""
        self._own.add(alert_id)

    def changed(self, change: Audit, state: AlertState) -> None:
        """Something became of an alert: tell of it, where somebody is to be told."""
        if state.id not in self._own:
            return
        if change.what == "fired":
            self._take(state)
            self._untold[state.id] = None
            self._tell_firing(state)
        elif change.what in ("acknowledge", "resolve"):
            self._escalating.discard(state.id)
            if state.id not in self._untold:
                action = "acknowledged" if change.what == "acknowledge" else "resolved"
                notice = self._notice(state, action, by=change.by)
                self._send(self._first_channels(state), notice)
            self._untold.pop(state.id, None)
            if change.what == "resolve":
                self._own.discard(state.id)

    async def tick(self) -> None:
        """Tell what was held back, and escalate what is due. Raises: what writing raises."""
        for name in list(self._untold):
            state = self._store.desk.state.alerts.get(name)
            if state is None or not state.is_open:
                del self._untold[name]
            else:
                self._tell_firing(state)
        now_ms = self._clock.now_ms()
        for name in list(self._escalating):
            state = self._store.desk.state.alerts.get(name)
            rule = None if state is None else self._rule(state)
            policy = None if rule is None else rule.escalation_policy
            if state is None or policy is None:
                self._escalating.discard(name)
                continue
            if self._store.desk.status(state, now_ms) != "firing":
                continue
            delays_ms = [level.delay_ms for level in policy.levels]
            due_ms = escalation_due_ms(delays_ms, policy.repeat_interval_ms or None, state)
            if due_ms is not None and due_ms <= now_ms:
                reached = min(state.escalation_level, len(policy.levels) - 1)
                await self._escalate(state, policy.levels[reached])

    async def flush(self, timeout_ms: int) -> None:
        """Wait until nothing is on its way, at most so long."""
        try:
            async with asyncio.timeout(timeout_ms / 1000):
                await self._idle.wait()
        except TimeoutError:
            return

    async def close(self) -> None:
        """End sending, after what is on its way has had a few seconds."""
        await self.flush(5_000)
        await self._tasks.cancel_all()
        for _, channel in self._channels.values():
            await channel.close()
        for channel in self._gone:
            await channel.close()

    # ---- inside ----

    def _take(self, state: AlertState) -> None:
        self._own.add(state.id)
        rule = self._rule(state)
        if rule is not None and rule.escalation_policy is not None:
            self._escalating.add(state.id)

    def _rule(self, state: AlertState) -> AlertRule | None:
        return None if state.rule is None else self._rules.get(state.rule)

    def _notify(self, state: AlertState) -> list[str]:
        alert = self._store.alert(state.id)
        return [] if alert is None else [n for n in alert.notify if n in self._channels]

    def _first_channels(self, state: AlertState) -> list[str]:
        rule = self._rule(state)
        of_rule = [] if rule is None else rule.notification_channels
        return list(dict.fromkeys([*of_rule, *self._notify(state)]))

    def _tell_firing(self, state: AlertState) -> None:
        """Tell that an alert fires, unless it is muted, acknowledged, or too soon."""
        now_ms = self._clock.now_ms()
        if self._store.desk.status(state, now_ms) != "firing":
            return
        rule = self._rule(state)
        if rule is not None and rule.throttle_ms:
            last_ms = self._told_ms.get(rule.id)
            if last_ms is not None and now_ms - last_ms < rule.throttle_ms:
                return
        del self._untold[state.id]
        channels = self._first_channels(state)
        if channels and rule is not None:
            self._told_ms[rule.id] = now_ms
        self._send(channels, self._notice(state, "fired"))

    async def _escalate(self, state: AlertState, level: EscalationLevel) -> None:
        reached = state.escalation_level + 1
        try:
            await self._store.write([Escalated(by=SYSTEM, id=state.id, level=reached)])
        except Conflict:
            return  # somebody was faster: acknowledged, or escalated by another process
        notice = self._notice(state, "escalated", level=reached, users=tuple(level.notify_users))
        self._send(level.notify_channels, notice)

    def _notice(self, state: AlertState, action: Any, **more: Any) -> Notice:
        level = more.get("level", 0)
        name = f"{state.id}/{action}" + (f"/{level}" if level else "")
        alert = alert_dict(self._manager.alert_of(state))
        return Notice(id=name, action=action, alert=alert, at=self._clock.now_ms(), **more)

    def _send(self, channels: Sequence[str], notice: Notice) -> None:
        for name in channels:
            waiting = self._waiting.get(name)
            if waiting is None:
                waiting = self._waiting[name] = deque()
                self._idle.clear()
                self._tasks.spawn(self._deliver(name, waiting), f"alert-manager.notify {name}")
            if len(waiting) >= NOTICES_WAITING_MAX:
                self.dropped += 1
                error = Invalid("notify.refused", reason="too many notices wait")
                self._report("notification:failed", name, notice, error)
            else:
                waiting.append(notice)

    async def _deliver(self, name: str, waiting: deque[Notice]) -> None:
        """Give a channel what waits for it, one after the other."""
        try:
            while waiting:
                await self._deliver_one(name, waiting.popleft())
        finally:
            self._waiting.pop(name, None)
            if not self._waiting:
                self._idle.set()

    async def _deliver_one(self, name: str, notice: Notice) -> None:
        _, channel = self._channels[name]
        failure: SummitError | None = None
        try:
            await channel.deliver(notice)
        except SummitError as error:
            failure = error
        entry = Notified(
            by=SYSTEM, id=str(notice.alert["id"]), channel=name, action=notice.action,
            delivered=failure is None, reason="" if failure is None else str(failure),
        )  # fmt: skip
        try:
            await self._store.write([entry])
        except SummitError as error:
            self._manager.emit("error", Payload(error=error))
        event = "notification:sent" if failure is None else "notification:failed"
        self._report(event, name, notice, failure)

    def _report(self, event: str, name: str, notice: Notice, error: SummitError | None) -> None:
        values = {
            "config": self._channels[name][0], "alert": notice.alert, "action": notice.action,
        }  # fmt: skip
        self._manager.emit(event, Payload(**values, **({} if error is None else {"error": error})))
