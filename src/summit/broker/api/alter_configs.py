"""AlterConfigs: key 33, versions 0-2.

Behaviour: replaces everything that is set for a topic or a broker (an empty name: for every
broker); what the request does not name goes back to its default. Values act at once and are
answered when they are durable. A null value is refused, as is a resource that is named twice.
Superseded by IncrementalAlterConfigs, which loses nothing.
"""

from __future__ import annotations

from collections.abc import Mapping

from summit.base.errors import Invalid
from summit.broker import config_changes
from summit.broker.config_changes import Change, Outcome, Wanted
from summit.broker.request import Request
from summit.broker.state import BrokerState
from summit.protocol.alter_configs import (
    AlterConfigsRequest,
    AlterConfigsResource,
    AlterConfigsResourceResponse,
    AlterConfigsResponse,
)


def handle(state: BrokerState, request: Request, message: AlterConfigsRequest) -> None:
    """Replace the configs of each resource."""

    def answer(outcomes: list[Outcome]) -> None:
        request.reply(
            AlterConfigsResponse(
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
        Wanted(resource.resource_type, resource.resource_name, _replacing(resource))
        for resource in message.resources
    ]
    config_changes.apply(state, wanted, answer, validate_only=message.validate_only)


def _replacing(resource: AlterConfigsResource) -> Change:
    def change(current: Mapping[str, str], holds: Mapping[str, str]) -> dict[str, str | None]:
        for config in resource.configs:
            if config.value is None:
                raise Invalid(
                    "config.refused", resource=f"'{resource.resource_name}'",
                    reason=f"{config.name} has no value",
                )  # fmt: skip
        return {config.name: config.value for config in resource.configs}

    return change
