"""The broker's own config keys that can be set at run time: the defaults of topics.

They are set for this broker, or with no name for every broker; the former wins. A key that is not
in the table is set at the start only, and changing it is refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

import msgspec

from summit.base.errors import Invalid
from summit.broker import topic_configs
from summit.broker.settings import BrokerSettings


class BrokerKey(NamedTuple):
    """One key: the topic's key that it is the default of, and its field of the settings."""

    name: str
    topic_key: str
    field: str


KEYS: Final = (
    BrokerKey("log.retention.bytes", "retention.bytes", "log_retention_bytes"),
    BrokerKey("log.retention.ms", "retention.ms", "log_retention_ms"),
    BrokerKey("log.roll.ms", "segment.ms", "log_segment_ms"),
    BrokerKey("log.segment.bytes", "segment.bytes", "log_segment_bytes"),
    BrokerKey("message.max.bytes", "max.message.bytes", "message_max_bytes"),
)

BY_NAME: Final = {key.name: key for key in KEYS}
BY_TOPIC_KEY: Final = {key.topic_key: key for key in KEYS}


def validate(resource: str, configs: Mapping[str, str | None]) -> dict[str, str]:
    """Check what a request sets; null values mean the default and are dropped.

    Raises: Invalid("config.refused") naming the key and what it allows.
    """
    checked: dict[str, str] = {}
    for name, text in configs.items():
        key = BY_NAME.get(name)
        if key is None:
            raise Invalid(
                "config.refused", resource=resource, reason=f"{name} cannot be set at run time"
            )
        if text is None:
            continue
        try:
            checked[name] = topic_configs.BY_NAME[key.topic_key].check(text.strip())
        except ValueError as error:
            raise Invalid("config.refused", resource=resource, reason=f"{name}: {error}") from error
    return checked


def with_overrides(settings: BrokerSettings, overrides: Mapping[str, str]) -> BrokerSettings:
    """The settings with what was set at run time."""
    fields = {BY_NAME[name].field: int(text) for name, text in overrides.items() if name in BY_NAME}
    return msgspec.structs.replace(settings, **fields) if fields else settings
