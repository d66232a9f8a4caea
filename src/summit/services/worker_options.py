"""Where a worker's settings come from; apart, so that others need not load what workers do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from summit.base.config import environment, resolve
from summit.base.config_files import file_settings
from summit.flow.settings import WorkerSettings


def worker_settings(servers: Sequence[str], flags: Mapping[str, Any]) -> WorkerSettings:
    """Settings of a worker: section `worker`, `SUMMIT_WORKER__*`.

    Args:
        servers: The brokers to dial.
    """
    return resolve(
        WorkerSettings, "worker", flags={"bootstrap_servers": list(servers), **flags},
        env=environment(), file=file_settings(environment()),
    )  # fmt: skip
