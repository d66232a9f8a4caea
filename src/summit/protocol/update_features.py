"""UpdateFeatures: key 57, versions 0-2, flexible.

Behaviour: sets the levels of finalised features; 0 gives one up.
Versions: 1 kind of upgrade, validate only · 2 one error for all.
"""

from __future__ import annotations

from summit.protocol.api import Api
from summit.protocol.message import ARRAY, BOOL, INT8, INT16, INT32, STRING, Message, field


class FeatureUpdateKey(Message):
    feature: str = field(STRING, "0+")
    max_version_level: int = field(INT16, "0+")
    allow_downgrade: bool = field(BOOL, "0", default=False)
    upgrade_type: int = field(INT8, "1+", default=1)


class UpdateFeaturesRequest(Message):
    timeout_ms: int = field(INT32, "0+", default=60_000)
    feature_updates: list[FeatureUpdateKey] = field(ARRAY(FeatureUpdateKey), "0+")
    validate_only: bool = field(BOOL, "1+", default=False)


class UpdatableFeatureResult(Message):
    feature: str = field(STRING, "0+")
    error_code: int = field(INT16, "0+")
    error_message: str | None = field(STRING, "0+", nullable="0+", default=None)


class UpdateFeaturesResponse(Message):
    throttle_time_ms: int = field(INT32, "0+", default=0)
    error_code: int = field(INT16, "0+")
    error_message: str | None = field(STRING, "0+", nullable="0+", default=None)
    results: list[UpdatableFeatureResult] = field(
        ARRAY(UpdatableFeatureResult), "0-1", default_factory=list
    )


UPDATE_FEATURES = Api(
    key=57,
    name="UpdateFeatures",
    versions="0-2",
    flexible="0+",
    request=UpdateFeaturesRequest,
    response=UpdateFeaturesResponse,
)
