"""Channels by type: the one table of them, and the configuration that names one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from summit.base.config import Config, suggestion
from summit.base.errors import Invalid
from summit.notify.channel import Channel
from summit.notify.email import Email, EmailConfig
from summit.notify.webhook import (
    PagerDutyConfig,
    SlackConfig,
    SmsConfig,
    WebhookConfig,
    pagerduty,
    slack,
    sms,
    webhook,
)

_CHANNELS: Final[dict[str, tuple[type[Config], Callable[[Any], Channel]]]] = {
    "email": (EmailConfig, Email),
    "slack": (SlackConfig, slack),
    "webhook": (WebhookConfig, webhook),
    "pagerduty": (PagerDutyConfig, pagerduty),
    "sms": (SmsConfig, sms),
}
CHANNEL_TYPES: Final = tuple(_CHANNELS)


class NotificationChannel(Config, frozen=True, kw_only=True):
    """A channel under a name.

    Args:
        id: What rules call it.
        type: `email`, `slack`, `webhook`, `pagerduty` or `sms`.
        config: What the type needs: `EmailConfig`, `SlackConfig`, `WebhookConfig`,
            `PagerDutyConfig`, `SmsConfig`.
    """

    id: str
    type: str
    config: dict[str, Any]

    def check(self) -> None:
        """Refuse an unknown type, and what the type refuses."""
        if not self.id:
            raise Invalid("config.invalid", reason="a channel needs an id", pointer="/id")
        if self.type not in _CHANNELS:
            hint = suggestion(self.type, CHANNEL_TYPES)
            raise Invalid(
                "config.invalid", pointer="/type",
                reason=f"type '{self.type}' is none of {', '.join(CHANNEL_TYPES)}{hint}",
            )  # fmt: skip
        _CHANNELS[self.type][0].from_dict(self.config)

    def __repr__(self) -> str:
        return f"NotificationChannel(id={self.id!r}, type={self.type!r})"  # no secrets in logs


def open_channel(given: NotificationChannel | Mapping[str, Any]) -> Channel:
    """The channel of a configuration. Raises Invalid."""
    channel = (
        given if isinstance(given, NotificationChannel) else NotificationChannel.from_dict(given)
    )
    kind, make = _CHANNELS[channel.type]
    return make(kind.from_dict(channel.config))
