"""How far a worker is behind what it reads: its inputs, and what other workers have sent."""

from __future__ import annotations

from summit.base.errors import Invalid, Unavailable
from summit.flow.inputs import Inputs
from summit.flow.metrics import WorkerMetrics
from summit.flow.runtime import Runtime
from summit.journal.topics import EXCHANGE_TOPIC
from summit.keyed.keygroups import KEY_GROUPS


async def look_at_lags(inputs: Inputs, runtime: Runtime, metrics: WorkerMetrics) -> None:
    """Note the lags. Brokers that are away change nothing."""
    ends = await inputs.ends(runtime.positions)
    metrics.lags = {name: max(0, ends.get(name, 0) - at) for name, at in runtime.positions.items()}
    behind = 0
    if len(runtime.held) < KEY_GROUPS:
        try:
            bounds = await inputs.admin.offsets(EXCHANGE_TOPIC)
        except (Invalid, Unavailable):
            return
        behind = sum(max(0, bounds[group][1] - at) for group, at in runtime.exchange.items())
    metrics.exchange_lag = behind
