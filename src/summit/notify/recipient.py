"""A notification of the definitions, made ready: what it wants, what it says, and its channel."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

from summit.alerts.alert import Alert, alert_dict
from summit.alerts.desk_state import AlertState
from summit.alerts.matchers import Matchers, read_matchers
from summit.alerts.templates import render_template
from summit.base.config import camel_name
from summit.base.errors import Invalid
from summit.base.secrets import is_secret_reference, read_secret
from summit.documents.notification import NotificationPlan
from summit.events.expressions.ir import Path
from summit.notify.channel import Channel, Notice
from summit.notify.channels import SECRET_FIELDS, check_channel, make_channel
from summit.notify.outlets import Outlets

Secrets = Callable[[str], bytes]
_PLACEHOLDERS: Final = {"url": "https://secret.invalid/"}


class Recipient(NamedTuple):
    """See the module.

    Attributes:
        match: None = only rules that name it reach it.
        since_ms: When it was first registered: alerts that fired before are not its to tell of.
    """

    plan: NotificationPlan
    match: Matchers | None
    since_ms: int = 0

    def wants(self, alert: AlertState) -> bool:
        """Whether an alert is to be told by it."""
        if alert.fired_at < self.since_ms:
            return False
        return self.plan.id in alert.notify or (
            self.match is not None
            and self.match.matches(
                alert.severity, alert.rule, alert.tags, alert.key, alert.entities
            )
        )

    def says(self, notice: Notice) -> Notice:
        """A notice with this one's texts."""
        holes = _Holes(notice.alert)
        title, body = (
            None if template is None else render_template(template, holes)
            for template in (self.plan.subject, self.plan.text)
        )
        return notice.with_texts(title, body)


def prepare_recipient(plan: NotificationPlan, since_ms: int = 0) -> Recipient:
    """Check what the document's text alone does not tell. Raises Invalid with a pointer."""
    match = None if plan.match is None else read_matchers(plan.match, "/match")
    given = _on_the_wire(plan.config)
    for name in SECRET_FIELDS[plan.type]:
        value = given.get(name)
        if value is None:
            continue
        if not isinstance(value, str) or not is_secret_reference(value):
            reason = "it must be ${NAME} (of the environment) or file:PATH, never the secret"
            raise Invalid("config.invalid", reason=f"{name}: {reason}", pointer=f"/config/{name}")
    url = given.get("url")
    if isinstance(url, str) and "@" in url.partition("://")[2].partition("/")[0]:
        reason = "url: it must not hold a user or a password; there are 'bearerToken' and 'secret'"
        raise Invalid("config.invalid", reason=reason, pointer="/config/url")
    filled = {name: _placeholder(name, value) for name, value in given.items()}
    try:
        check_channel(plan.type, filled)
    except Invalid as error:
        pointer = f"/config{error.details.get('pointer', '')}"
        raise Invalid(
            "config.invalid", reason=str(error.details.get("reason", error)), pointer=pointer
        ) from error
    return Recipient(plan, match, since_ms)


def open_recipient(
    recipient: Recipient, outlets: Outlets, secrets: Secrets = read_secret
) -> Channel:
    """The channel, with its secrets read. Raises Invalid("secret.missing"), ("config.invalid")."""
    plan = recipient.plan
    filled = {
        name: secrets(value).decode() if _is_reference(value) else value
        for name, value in _on_the_wire(plan.config).items()
    }
    return make_channel(plan.type, filled, outlets)


def test_notice(at_ms: int, by: str, request: int) -> Notice:
    """What a notification is tried with."""
    alert = Alert(
        id=f"test-{request}", timestamp=at_ms, severity="info", title="Test of a notification",
        description=f"{by} asked for it. Nothing has happened.", events=[],
    )  # fmt: skip
    return Notice(id=f"test/{request}", action="test", alert=alert_dict(alert), at=at_ms, by=by)


def _on_the_wire(config: Mapping[str, Any]) -> dict[str, Any]:
    """A configuration by the names of the wire: both spellings are taken."""
    return {camel_name(str(name)): value for name, value in config.items()}


def _is_reference(value: object) -> bool:
    return isinstance(value, str) and is_secret_reference(value)


def _placeholder(name: str, value: Any) -> Any:
    return _PLACEHOLDERS.get(name, "secret") if _is_reference(value) else value


class _Holes:
    """Fills a template from an alert, by the names of the wire."""

    def __init__(self, alert: Mapping[str, Any]) -> None:
        self._alert = alert

    def field(self, path: Path) -> object:
        """A member of the alert, else of its key."""
        for root in (self._alert, self._alert.get("key") or {}):
            value: Any = root
            for name in path:
                value = value.get(name) if isinstance(value, Mapping) else None
            if value is not None:
                return value
        return None

    def step_field(self, step: str, which: str, path: Path) -> object:
        """An alert has no steps."""

    def aggregate(self, function: str, step: str, path: Path | None) -> object:
        """Nor has it aggregates."""
