"""ListConfigResources: key 74, versions 0-1.

Behaviour: what has configs here: topics, this broker and its loggers. Version 0 asks for the
subscriptions of client metrics, of which there are none; neither are there configs of groups. A
type that Kafka does not know is UNSUPPORTED_VERSION.
Versions: 1 filter by type, none means all.
"""

from __future__ import annotations

from typing import Final

from summit.broker.request import Request
from summit.broker.resources import BROKER, BROKER_LOGGER, CLIENT_METRICS, GROUP, TOPIC
from summit.broker.state import BrokerState
from summit.protocol import codes
from summit.protocol.list_config_resources import (
    ConfigResource,
    ListConfigResourcesRequest,
    ListConfigResourcesResponse,
)

_KNOWN: Final = frozenset((TOPIC, BROKER, BROKER_LOGGER, CLIENT_METRICS, GROUP))


def handle(state: BrokerState, request: Request, message: ListConfigResourcesRequest) -> None:
    """List the resources of the types asked for."""
    types = {CLIENT_METRICS} if request.version == 0 else set(message.resource_types) or _KNOWN
    if not types <= _KNOWN:
        request.reply(
            ListConfigResourcesResponse(error_code=codes.UNSUPPORTED_VERSION, config_resources=[])
        )
        return
    found = []
    if TOPIC in types:
        found += [
            ConfigResource(resource_name=topic.name, resource_type=TOPIC) for topic in state.topics
        ]
    for kind in (BROKER, BROKER_LOGGER):
        if kind in types:
            found.append(ConfigResource(resource_name=str(state.broker_id), resource_type=kind))
    request.reply(ListConfigResourcesResponse(error_code=codes.NONE, config_resources=found))
