"""Which notification is to tell of what: a letter for each, made of the desk's decisions. Pure.

An alert is told when it fires, unless it is muted; once nothing mutes it any more it is told then.
Of what becomes of it later only those hear who heard of it. Everything follows from the alert log:
whoever folds it from its beginning comes to the same letters.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from summit.alerts.desk import AlertDesk, Decision
from summit.alerts.desk_state import AlertState, Audit
from summit.alerts.entries import Escalated
from summit.alerts.escalation import escalation_due_ms
from summit.documents.notification import EscalationPlan, ToldAction
from summit.notify.channel import Action
from summit.notify.recipient import Recipient

Key = tuple[str, str, str, int, int | None]


class Letter(msgspec.Struct, frozen=True):
    """One notice that one notification owes.

    Attributes:
        to: The notification's id.
        alert: The alert's; "" = a test.
        offset: Of the entry of the log that it came of.
        request: Offset of the `Tell` that asked for it.
    """

    to: str
    alert: str
    action: Action
    offset: int
    at: int
    level: int = 0
    by: str = ""
    users: tuple[str, ...] = ()
    request: int | None = None

    @property
    def key(self) -> Key:
        """The same for the same notice, whoever makes the letter."""
        return self.to, self.alert, self.action, self.level, self.request


class LetterWriter:
    """See the module.

    Args:
        desk: The desk whose decisions are given, as of each.

    Attributes:
        recipients: By id, in their order; changed by whoever follows the definitions.
    """

    def __init__(self, desk: AlertDesk) -> None:
        self._desk = desk
        self._untold: dict[str, None] = {}  # alerts that were muted when they fired
        self._escalating: dict[str, None] = {}
        self.recipients: Mapping[str, Recipient] = {}

    def begin(self) -> None:
        """After the log was folded: take up what began before the decisions that were told."""
        for alert in self._desk.state.alerts.values():
            if not alert.is_open:
                continue
            if alert.state == "firing" and self._policy(alert) is not None:
                self._escalating[alert.id] = None
            was_muted = alert.silences or alert.inhibited_by is not None
            if was_muted and alert.notified_at is None and self._recipients(alert, "fired"):
                self._untold[alert.id] = None

    def take(self, decision: Decision) -> tuple[list[Letter], list[Key]]:
        """What a decision leads to.

        Returns: Letters to be sent; keys of those that were sent, or given up, by somebody.
        """
        letters: list[Letter] = []
        done: list[Key] = []
        for change in decision.changes:
            if change.refused:
                continue
            if change.what == "notified":
                done.append(_told_key(change))
            elif change.what == "tell":
                letters.append(self._asked_for(change))
            elif (alert := self._desk.state.alerts.get(change.of)) is not None:
                letters += self._changed(change, alert)
        return letters, done

    def tick(self, now_ms: int) -> tuple[list[Letter], list[Escalated]]:
        """What time leads to: letters of alerts that are muted no more; levels that are due."""
        letters: list[Letter] = []
        for name in list(self._untold):
            alert = self._desk.state.alerts.get(name)
            if alert is None or not alert.is_open:
                del self._untold[name]
            elif self._desk.status(alert, now_ms) in ("firing", "acknowledged"):
                del self._untold[name]
                letters += self._letters(alert, "fired", self._desk.state.next_offset, now_ms)
                if self._policy(alert) is not None:
                    self._escalating[name] = None
        return letters, self._due_levels(now_ms)

    # ---- inside ----

    def _changed(self, change: Audit, alert: AlertState) -> list[Letter]:
        desk = self._desk
        if change.what == "fired":
            if desk.status(alert, desk.state.now_ms) != "firing":
                if self._recipients(alert, "fired"):
                    self._untold[alert.id] = None
                return []
            if self._policy(alert) is not None:
                self._escalating[alert.id] = None
            return self._letters(alert, "fired", change.offset, change.at)
        if change.what == "escalated":
            return self._level_letters(change, alert)
        if change.what not in ("acknowledge", "resolve"):
            return []
        self._escalating.pop(alert.id, None)
        was_untold = alert.id in self._untold
        if change.what == "resolve":
            self._untold.pop(alert.id, None)
        if was_untold:
            return []
        action: ToldAction = "acknowledged" if change.what == "acknowledge" else "resolved"
        return self._letters(alert, action, change.offset, change.at, by=change.by)

    def _recipients(self, alert: AlertState, action: ToldAction) -> list[Recipient]:
        return [
            recipient
            for recipient in self.recipients.values()
            if action in recipient.plan.on and recipient.wants(alert)
        ]

    def _letters(
        self, alert: AlertState, action: ToldAction, offset: int, at_ms: int, by: str = ""
    ) -> list[Letter]:
        return [
            Letter(recipient.plan.id, alert.id, action, offset, at_ms, by=by)
            for recipient in self._recipients(alert, action)
        ]

    def _asked_for(self, change: Audit) -> Letter:
        action: Action = "fired" if change.of else "test"
        to = str(change.after["channel"])
        offset = change.offset
        return Letter(to, change.of, action, offset, change.at, by=change.by, request=offset)

    def _level_letters(self, change: Audit, alert: AlertState) -> list[Letter]:
        level = int(change.after["level"])
        found = self._policy(alert)
        if found is None:
            return []
        levels, _ = found
        plan = levels[min(level, len(levels)) - 1]
        return [
            Letter(
                name, alert.id, "escalated", change.offset, change.at, level=level,
                users=plan.users,
            )
            for name in plan.notify
        ]  # fmt: skip

    def _policy(self, alert: AlertState) -> tuple[tuple[EscalationPlan, ...], int | None] | None:
        """The levels of an alert: those of the first of its notifications that has some."""
        for recipient in self.recipients.values():
            if recipient.plan.escalate and recipient.wants(alert):
                return recipient.plan.escalate, recipient.plan.repeat_ms
        return None

    def _due_levels(self, now_ms: int) -> list[Escalated]:
        due: list[Escalated] = []
        for name in list(self._escalating):
            alert = self._desk.state.alerts.get(name)
            found = None if alert is None else self._policy(alert)
            if alert is None or found is None or alert.state != "firing":
                del self._escalating[name]
                continue
            if self._desk.status(alert, now_ms) != "firing":
                continue
            levels, repeat_ms = found
            at_ms = escalation_due_ms([level.after_ms for level in levels], repeat_ms, alert)
            if at_ms is not None and at_ms <= now_ms:
                due.append(Escalated(by="summit", id=name, level=alert.escalation_level + 1))
        return due


def _told_key(change: Audit) -> Key:
    after = change.after
    return (
        str(after["channel"]), change.of, str(after["action"]),
        int(after.get("level") or 0), after.get("request"),
    )  # fmt: skip
