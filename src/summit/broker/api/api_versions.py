"""ApiVersions: key 18, versions 0-5.

Behaviour: names every API that is served. Produce is advertised from 0 although 3 is the first
that is served: librdkafka reads its features off a range that starts at 0.
Versions: 5 the client may name the cluster and node it means; another one is told to bootstrap
anew. A version above 5 never comes here: dispatch answers it in v0 with error 35 and the list.
Features: `transaction.version` is 2: clients that know it add partitions by their batches and get a
new epoch with every transaction (KIP-890). `group.version` is 1: groups whose partitions the broker
assigns (KIP-848).
"""

from __future__ import annotations

from summit.broker.request import Request
from summit.broker.state import BrokerState
from summit.protocol import codes
from summit.protocol.api_versions import (
    ApiVersionsRequest,
    ApiVersionsResponse,
    FinalizedFeatureKey,
    SupportedFeatureKey,
)

_LEVELS = {"group.version": 1, "transaction.version": 2}
_FEATURES = [
    FinalizedFeatureKey(name=name, max_version_level=level, min_version_level=level)
    for name, level in _LEVELS.items()
]
# Their minimum is 0, which answers before v4 must not name.
_SUPPORTED = [
    SupportedFeatureKey(name=name, min_version=0, max_version=level)
    for name, level in _LEVELS.items()
]


def handle(state: BrokerState, request: Request, message: ApiVersionsRequest) -> None:
    """Answer with the list of APIs."""
    request.connection.client_software = (
        f"{message.client_software_name} {message.client_software_version}".strip()
    )
    request.reply(
        ApiVersionsResponse(
            error_code=_error(state, message),
            api_keys=state.api_versions,
            supported_features=_SUPPORTED if request.version >= 4 else [],
            finalized_features_epoch=0,
            finalized_features=_FEATURES,
        )
    )


def _error(state: BrokerState, message: ApiVersionsRequest) -> int:
    if message.cluster_id is None:
        return codes.INVALID_REQUEST if message.node_id >= 0 else codes.NONE
    if message.cluster_id != state.cluster_id:
        return codes.REBOOTSTRAP_REQUIRED
    if message.node_id >= 0 and message.node_id != state.broker_id:
        return codes.REBOOTSTRAP_REQUIRED
    return codes.NONE
