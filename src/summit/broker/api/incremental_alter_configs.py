"""IncrementalAlterConfigs: key 44, versions 0-1.

Behaviour: sets (0), deletes (1), appends to (2) or subtracts from (3) what is set for a topic or a
broker (an empty name: for every broker) and leaves everything else as it is. Appending and
subtracting start from the value that holds and are for lists only. Values act at once and are
answered when they are durable. A key that is named twice is refused.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Final

from summit.base.errors import Invalid
from summit.broker import config_changes
from summit.broker.config_changes import LISTS, Change, Outcome, Wanted
from summit.broker.request import Request
from summit.broker.state import BrokerState
from summit.protocol.incremental_alter_configs import (
    AlterableConfig,
    AlterConfigsResource,
    AlterConfigsResourceResponse,
    IncrementalAlterConfigsRequest,
    IncrementalAlterConfigsResponse,
)

_SET: Final = 0
_DELETE: Final = 1
_APPEND: Final = 2
_SUBTRACT: Final = 3


def handle(state: BrokerState, request: Request, message: IncrementalAlterConfigsRequest) -> None:
    """Change the configs of each resource."""

    def answer(outcomes: list[Outcome]) -> None:
        request.reply(
            IncrementalAlterConfigsResponse(
                responses=[
                    AlterConfigsResourceResponse(
                        error_code=each.code,
                        error_message=each.message,
                        resource_type=each.wanted.kind,
                        resource_name=each.wanted.name,
                    )
                    for each in outcomes
                ]
            )
        )

    wanted = [
        Wanted(resource.resource_type, resource.resource_name, _changing(resource))
        for resource in message.resources
    ]
    config_changes.apply(state, wanted, answer, validate_only=message.validate_only)


def _changing(resource: AlterConfigsResource) -> Change:
    def change(current: Mapping[str, str], holds: Mapping[str, str]) -> dict[str, str | None]:
        names = Counter(config.name for config in resource.configs)
        changed: dict[str, str | None] = dict(current)
        for config in resource.configs:
            if names[config.name] > 1:
                raise Invalid("request.duplicate", what=f"config {config.name}")
            # A key that cannot be set is refused even when it is only deleted.
            changed[config.name] = _value(config, holds)
        return changed

    return change


def _value(config: AlterableConfig, holds: Mapping[str, str]) -> str | None:
    operation, name = config.config_operation, config.name
    if operation == _DELETE:
        return None
    if config.value is None or operation not in (_SET, _APPEND, _SUBTRACT):
        reason = "has no value" if config.value is None else f"operation {operation} is unknown"
        raise Invalid("config.refused", resource=name, reason=reason)
    if operation == _SET:
        return config.value
    if name not in LISTS:
        raise Invalid("topic.config_invalid", key=name, reason="is not a list")
    present = [item for item in holds.get(name, "").split(",") if item]
    named = [item.strip() for item in config.value.split(",")]
    if operation == _APPEND:
        return ",".join([*present, *(item for item in named if item not in present)])
    return ",".join(item for item in present if item not in named)
