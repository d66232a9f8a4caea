"""What a channel is, and what it carries."""

from __future__ import annotations

from typing import Any, Literal, Protocol

import msgspec

Action = Literal["fired", "escalated", "acknowledged", "resolved", "test"]
_LINES_MAX = 20  # lines about alerts of one digest


class Further(msgspec.Struct, frozen=True):
    """One more alert of a digest, and what became of it."""

    action: Action
    alert: dict[str, Any]


class Notice(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """One thing to tell people.

    Attributes:
        id: Made of alert, action and level: the same notice sent twice has the same, so who
            gets it may know it again.
        alert: The alert, with the names of the wire.
        at: When this came about, milliseconds since 1970 UTC.
        by: Who acknowledged or resolved it.
        level: Of the escalation, 1 the first; 0 = none.
        users: Whom the escalation policy names.
        more: In a digest, the other alerts.
        title: Instead of the usual subject; "" = that.
        body: Instead of the usual text.
    """

    id: str
    action: Action
    alert: dict[str, Any]
    at: int
    by: str = ""
    level: int = 0
    users: tuple[str, ...] = ()
    more: tuple[Further, ...] = ()
    title: str = ""
    body: str = ""

    @property
    def subject(self) -> str:
        """One line for people."""
        line = self.title or _line(self.action, self.alert)
        return f"{len(self.more) + 1} alerts: {line}" if self.more else line

    @property
    def text(self) -> str:
        """Some lines for people."""
        text = self.body or self._usual_text()
        if not self.more:
            return text
        lines = [_line(one.action, one.alert) for one in self.more[:_LINES_MAX]]
        if len(self.more) > _LINES_MAX:
            lines.append(f"… and {len(self.more) - _LINES_MAX} more")
        return "\n".join((text, "", *lines))

    def with_texts(self, title: str | None, body: str | None) -> Notice:
        """The same with texts of one's own; None = the usual one."""
        return msgspec.structs.replace(self, title=title or "", body=body or "")

    def _usual_text(self) -> str:
        alert = self.alert
        key = ", ".join(f"{name}={value}" for name, value in (alert.get("key") or {}).items())
        shown = [
            alert.get("description"),
            f"About: {key}" if key else None,
            f"Rule: {alert['pattern']}" if alert.get("pattern") else None,
            f"Runbook: {alert['runbook']}" if alert.get("runbook") else None,
            f"By: {self.by}" if self.by else None,
            f"Escalation level {self.level}" if self.level else None,
            f"Alert {alert.get('id')}",
        ]
        return "\n".join(line for line in shown if line)


def _line(action: Action, alert: dict[str, Any]) -> str:
    return f"[{alert.get('severity', '')}] {alert.get('title', '')}: {action}"


class Channel(Protocol):
    """Carries notices; one loop's."""

    async def deliver(self, notice: Notice) -> None:
        """Give a notice to whoever is behind the channel; returns when they have taken it.

        Raises: SummitError: it could not be delivered, retries included.
        """
        ...

    async def close(self) -> None:
        """Let go of connections. Idempotent."""
        ...
