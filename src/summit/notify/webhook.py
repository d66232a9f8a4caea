"""Webhooks: a notice as the JSON body of a POST; also Slack, Teams, PagerDuty and SMS gateways.

An attempt that is not answered, or is answered by "later", is made again (`http_out`); so a notice
may arrive twice. Its id stands in the header `X-Summit-Notice`. With a secret, the header
`X-Summit-Signature` is `sha256=` and the hexadecimal HMAC-SHA-256 of the body.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec

from summit.base.config import Config
from summit.base.errors import Invalid, Unavailable
from summit.http_out import HttpClient, HttpConfig
from summit.notify.channel import Notice

PAGERDUTY_URL: Final = "https://events.pagerduty.com/v2/enqueue"
_encode = msgspec.json.Encoder().encode


class WebhookConfig(Config, frozen=True, kw_only=True):
    """Where a webhook goes.

    Args:
        url: Whole address, with its query; a secret in it is kept out of logs.
        secret: Signs the body.
        bearer_token: For the header `Authorization`.
        timeout_ms: How long one attempt may take.
        retries: Further attempts after the first one.
        allow_private: Whether hosts of this machine and of private networks may be called.
    """

    url: str
    secret: str | None = None
    bearer_token: str | None = None
    timeout_ms: int = 10_000
    retries: int = 3
    allow_private: bool = True

    def check(self) -> None:
        """Refuse what `HttpConfig` refuses."""
        self.http()

    def http(self) -> HttpConfig:
        """The client's configuration: scheme and host; the rest of the address is its path."""
        parts = urlsplit(self.url)
        return HttpConfig(
            url=f"{parts.scheme}://{parts.netloc}",
            bearer_token=self.bearer_token,
            request_timeout_ms=self.timeout_ms,
            retries=self.retries,
            allow_internal_addresses=self.allow_private,
        )

    @property
    def path(self) -> str:
        """Path and query."""
        parts = urlsplit(self.url)
        return (parts.path or "/") + (f"?{parts.query}" if parts.query else "")

    def __repr__(self) -> str:
        return f"{type(self).__name__}(host={urlsplit(self.url).netloc.rpartition('@')[2]!r})"


class SlackConfig(WebhookConfig, frozen=True, kw_only=True):
    """A Slack incoming webhook: its address."""


class TeamsConfig(WebhookConfig, frozen=True, kw_only=True):
    """A workflow of Microsoft Teams that takes adaptive cards: its address."""


class PagerDutyConfig(WebhookConfig, frozen=True, kw_only=True):
    """A PagerDuty service, by Events API v2.

    Args:
        routing_key: The integration's key.
    """

    routing_key: str
    url: str = PAGERDUTY_URL


class SmsConfig(WebhookConfig, frozen=True, kw_only=True):
    """A gateway for text messages that takes JSON: `{to, from, text}`.

    Args:
        to: Telephone numbers.
        sender: The number or name it comes from.
    """

    to: list[str]
    sender: str = ""

    def check(self) -> None:
        """Refuse a gateway without anybody to write to."""
        super().check()
        if not self.to:
            raise Invalid("config.invalid", reason="SmsConfig.to: nobody is named", pointer="/to")


class Webhook:
    """A channel that posts what `body` makes of a notice; None = nothing is to be sent."""

    def __init__(self, config: WebhookConfig, body: Callable[[Notice], Any]) -> None:
        self._config = config
        self._body = body
        self._client = HttpClient(config.http(), what="the webhook", extra="http")

    async def deliver(self, notice: Notice) -> None:
        """Post it. Raises: Unavailable; Invalid("notify.refused") for a status of 400 or more."""
        content = self._body(notice)
        if content is None:
            return
        body = _encode(content)
        headers = {"X-Summit-Notice": notice.id}
        if self._config.secret is not None:
            signed = hmac.new(self._config.secret.encode(), body, hashlib.sha256)
            headers["X-Summit-Signature"] = f"sha256={signed.hexdigest()}"
        answer = await self._client.request(
            "POST", self._config.path, body=body, content_type="application/json", headers=headers
        )
        if answer.status >= 300:
            start = answer.body[:200].decode("utf-8", "replace")
            reason = f"status {answer.status} {start}".rstrip()
            if answer.status >= 500:
                raise Unavailable("notify.unavailable", reason=reason)
            raise Invalid("notify.refused", reason=reason)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()


def webhook(config: WebhookConfig) -> Webhook:
    """The notice as it is."""
    return Webhook(config, msgspec.to_builtins)


def slack(config: SlackConfig) -> Webhook:
    """A message with text and a coloured part."""
    return Webhook(config, _slack_body)


def teams(config: TeamsConfig) -> Webhook:
    """An adaptive card."""
    return Webhook(config, _teams_body)


def pagerduty(config: PagerDutyConfig) -> Webhook:
    """An event that triggers, acknowledges or resolves the incident of the alert."""
    return Webhook(config, lambda notice: _pagerduty_body(config.routing_key, notice))


def sms(config: SmsConfig) -> Webhook:
    """A short text."""
    return Webhook(
        config,
        lambda notice: {"to": config.to, "from": config.sender, "text": _sms_text(notice)},
    )


def _sms_text(notice: Notice) -> str:
    text = f"{notice.subject}\n{notice.body}" if notice.body else notice.subject
    return text[:160]


_COLOURS: Final = {"critical": "#b00020", "high": "#e53935", "medium": "#fb8c00", "low": "#1e88e5"}


def _slack_body(notice: Notice) -> dict[str, Any]:
    return {
        "text": notice.subject,
        "attachments": [
            {
                "color": _COLOURS.get(notice.alert.get("severity", ""), "#757575"),
                "text": notice.text,
                "ts": notice.at // 1000,
            }
        ],
    }


_TEAMS_COLOURS: Final = {"critical": "Attention", "high": "Attention", "medium": "Warning"}


def _teams_body(notice: Notice) -> dict[str, Any]:
    colour = _TEAMS_COLOURS.get(notice.alert.get("severity", ""), "Default")
    blocks = [
        {"type": "TextBlock", "text": notice.subject, "weight": "Bolder", "wrap": True,
         "color": colour},
        *({"type": "TextBlock", "text": line, "wrap": True, "spacing": "None"}
          for line in notice.text.split("\n") if line),
    ]  # fmt: skip
    card = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard", "version": "1.4", "body": blocks,
    }  # fmt: skip
    kind = "application/vnd.microsoft.card.adaptive"
    return {"type": "message", "attachments": [{"contentType": kind, "content": card}]}


_PAGERDUTY_ACTION: Final = {"acknowledged": "acknowledge", "resolved": "resolve"}
_PAGERDUTY_SEVERITY: Final = {"critical": "critical", "high": "error", "medium": "warning"}


def _pagerduty_body(routing_key: str, notice: Notice) -> dict[str, Any]:
    alert = notice.alert
    return {
        "routing_key": routing_key,
        "event_action": _PAGERDUTY_ACTION.get(notice.action, "trigger"),
        "dedup_key": alert.get("id"),
        "payload": {
            "summary": (notice.title or str(alert.get("title", "")))[:1_024],
            "source": "summit",
            "severity": _PAGERDUTY_SEVERITY.get(alert.get("severity", ""), "info"),
            "custom_details": {
                "description": notice.body or alert.get("description"), "key": alert.get("key"),
                "rule": alert.get("pattern"), "runbook": alert.get("runbook"),
                "level": notice.level,
            },
        },
    }  # fmt: skip
