"""UpdateFeatures: key 57, versions 0-2.

Behaviour: the levels are what this broker is able to do, and stay: to ask for the level that holds
is done, any other is refused, and with it the request.
"""

from __future__ import annotations

from summit.broker.features import LEVELS
from summit.broker.request import Request
from summit.broker.state import BrokerState
from summit.protocol import codes
from summit.protocol.update_features import (
    FeatureUpdateKey,
    UpdatableFeatureResult,
    UpdateFeaturesRequest,
    UpdateFeaturesResponse,
)


def handle(state: BrokerState, request: Request, message: UpdateFeaturesRequest) -> None:
    """Check each feature."""
    results = [_result(each) for each in message.feature_updates]
    fault = next((each for each in results if each.error_code != codes.NONE), None)
    if fault is not None:
        request.reply(
            UpdateFeaturesResponse(error_code=fault.error_code, error_message=fault.error_message)
        )
        return
    request.reply(UpdateFeaturesResponse(error_code=codes.NONE, results=results))


def _result(wanted: FeatureUpdateKey) -> UpdatableFeatureResult:
    level = LEVELS.get(wanted.feature)
    if level == wanted.max_version_level:
        return UpdatableFeatureResult(feature=wanted.feature, error_code=codes.NONE)
    reason = (
        f"there is no feature {wanted.feature}"
        if level is None
        else f"{wanted.feature} is at level {level}, which cannot be changed"
    )
    return UpdatableFeatureResult(
        feature=wanted.feature, error_code=codes.INVALID_UPDATE_VERSION, error_message=reason
    )
