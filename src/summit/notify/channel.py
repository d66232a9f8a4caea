"""What a channel is, and what it carries."""

from __future__ import annotations

from typing import Any, Literal, Protocol

import msgspec

Action = Literal["fired", "escalated", "acknowledged", "resolved"]


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
    """

    id: str
    action: Action
    alert: dict[str, Any]
    at: int
    by: str = ""
    level: int = 0
    users: tuple[str, ...] = ()

    @property
    def subject(self) -> str:
        """One line for people."""
        return f"[{self.alert.get('severity', '')}] {self.alert.get('title', '')}: {self.action}"

    @property
    def text(self) -> str:
        """Some lines for people."""
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
