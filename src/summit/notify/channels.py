"""Channels by type: the one table of them, and the configuration that names one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from summit.base.config import Config, suggestion
from summit.base.errors import Invalid
from summit.notify.channel import Channel
from summit.notify.email import Email, EmailConfig
from summit.notify.outlets import FileChannel, FileConfig, Outlets, TopicChannel, TopicConfig
from summit.notify.webhook import (
    PagerDutyConfig,
    SlackConfig,
    SmsConfig,
    TeamsConfig,
    WebhookConfig,
    pagerduty,
    slack,
    sms,
    teams,
    webhook,
)

_CHANNELS: Final[dict[str, tuple[type[Config], Callable[[Any], Channel]]]] = {
    "email": (EmailConfig, Email),
    "slack": (SlackConfig, slack),
    "teams": (TeamsConfig, teams),
    "webhook": (WebhookConfig, webhook),
    "pagerduty": (PagerDutyConfig, pagerduty),
    "sms": (SmsConfig, sms),
}
_OUTLETS: Final[dict[str, tuple[type[Config], Callable[[Any, Outlets], Channel]]]] = {
    "topic": (TopicConfig, TopicChannel),
    "file": (FileConfig, FileChannel),
}
CHANNEL_TYPES: Final = tuple(_CHANNELS)
# What a document may only name, never hold; for Slack and Teams the address is the secret.
SECRET_FIELDS: Final[Mapping[str, tuple[str, ...]]] = {
    "email": ("password",),
    "slack": ("url", "secret", "bearerToken"),
    "teams": ("url", "secret", "bearerToken"),
    "webhook": ("secret", "bearerToken"),
    "pagerduty": ("routingKey", "secret", "bearerToken"),
    "sms": ("secret", "bearerToken"),
    "topic": (),
    "file": (),
}


class NotificationChannel(Config, frozen=True, kw_only=True):
    """A channel under a name.

    Args:
        id: What rules call it.
        type: `email`, `slack`, `teams`, `webhook`, `pagerduty` or `sms`.
        config: What the type needs: `EmailConfig`, `SlackConfig`, `TeamsConfig`,
            `WebhookConfig`, `PagerDutyConfig`, `SmsConfig`.
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


def check_channel(kind: str, config: Mapping[str, Any]) -> None:
    """Check the configuration of a notification of the definitions. Raises Invalid."""
    _notification_config(kind, config)


def make_channel(kind: str, config: Mapping[str, Any], outlets: Outlets) -> Channel:
    """The channel of a notification of the definitions; it is tried by who uses it, not by itself.

    Raises: Invalid.
    """
    read = _notification_config(kind, config)
    if kind in _OUTLETS:
        return _OUTLETS[kind][1](read, outlets)
    return _CHANNELS[kind][1](read)


def _notification_config(kind: str, config: Mapping[str, Any]) -> Config:
    """A document's `config`: its author is not the one on whose machine it runs."""
    if kind in _OUTLETS:
        return _OUTLETS[kind][0].from_dict(config)
    usual = {"retries": 0} if kind == "email" else {"retries": 0, "allowPrivate": False}
    return _CHANNELS[kind][0].from_dict({**usual, **config})
