"""Where an embedded broker's settings come from; apart, so that others need not load the broker."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from summit.base.config import environment, resolve
from summit.base.config_files import file_settings
from summit.base.errors import Invalid
from summit.broker.settings import BrokerSettings


def broker_settings(flags: Mapping[str, Any]) -> BrokerSettings:
    """Settings of an embedded broker."""
    env = environment()
    values: dict[str, Any] = {"auto_create_topics": True}
    values.update(file_settings(env).get("broker", {}))
    if "BROKER_ID" in env:
        values["broker_id"] = broker_id(env["BROKER_ID"])
    if env.get("LOG_DIR"):
        values["log_dirs"] = [part for part in env["LOG_DIR"].split(",") if part]
    return resolve(
        BrokerSettings, "broker", flags=flags, env=env, file={"broker": values},
        aliases={"DATA_DIR": "data_dir", "BROKER_PORT": "port"},
    )  # fmt: skip


def broker_id(text: str) -> int:
    """A broker id: a plain number, or a pod name that ends in one (`summit-0`).

    >>> broker_id("3"), broker_id("summit-broker-12")
    (3, 12)
    """
    found = re.search(r"(\d+)$", text.strip())
    if found is None:
        reason = f"BROKER_ID '{text}' does not end in a number"
        raise Invalid("config.invalid", reason=reason, pointer="/brokerId")
    return int(found[1])
