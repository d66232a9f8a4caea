"""ApiVersions: key 18, versions 0-5, flexible from 3.

Behaviour: the response header is always v0. A version above ours is answered in v0 encoding with
UNSUPPORTED_VERSION and the full list (`frames.unsupported_api_versions`); the connection stays
open. From v5 the client may name the cluster and the node that it means to reach: another cluster
id or node id is answered with REBOOTSTRAP_REQUIRED, a node id without a cluster id with
INVALID_REQUEST.

Versions: 1 throttle time · 3 flexible, client software, features (tagged) · 4 feature minimum 0
allowed (in v3 such features are left out) · 5 cluster id and node id.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from summit.protocol.api import Api
from summit.protocol.message import ARRAY, BOOL, INT16, INT32, INT64, STRING, Message, field


class ApiVersionsRequest(Message):
    client_software_name: str = field(STRING, "3+", default="")
    client_software_version: str = field(STRING, "3+", default="")
    cluster_id: str | None = field(STRING, "5+", nullable="5+", default=None)
    node_id: int = field(INT32, "5+", default=-1)


class ApiVersion(Message):
    api_key: int = field(INT16, "0+")
    min_version: int = field(INT16, "0+")
    max_version: int = field(INT16, "0+")


class SupportedFeatureKey(Message):
    name: str = field(STRING, "3+")
    min_version: int = field(INT16, "3+")
    max_version: int = field(INT16, "3+")


class FinalizedFeatureKey(Message):
    name: str = field(STRING, "3+")
    max_version_level: int = field(INT16, "3+")
    min_version_level: int = field(INT16, "3+")


class ApiVersionsResponse(Message):
    error_code: int = field(INT16, "0+")
    api_keys: list[ApiVersion] = field(ARRAY(ApiVersion), "0+")
    throttle_time_ms: int = field(INT32, "1+", default=0)
    supported_features: list[SupportedFeatureKey] = field(
        ARRAY(SupportedFeatureKey), "3+", tag=0, default_factory=list
    )
    finalized_features_epoch: int = field(INT64, "3+", tag=1, default=-1)
    finalized_features: list[FinalizedFeatureKey] = field(
        ARRAY(FinalizedFeatureKey), "3+", tag=2, default_factory=list
    )
    zk_migration_ready: bool = field(BOOL, "3+", tag=3, default=False)


API_VERSIONS = Api(
    key=18,
    name="ApiVersions",
    versions="0-5",
    flexible="3+",
    request=ApiVersionsRequest,
    response=ApiVersionsResponse,
)


def advertised(apis: Iterable[Api[Any, Any]]) -> list[ApiVersion]:
    """The list of keys and version ranges for the response, by key."""
    return [
        ApiVersion(api_key=api.key, min_version=api.advertise_min, max_version=api.versions.last)
        for api in sorted(apis, key=lambda api: api.key)
    ]
