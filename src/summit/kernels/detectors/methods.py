"""The detectors of streams by name, and what the numbers of each mean in words."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from summit.base.errors import Invalid
from summit.kernels.detectors.adwin import Adwin
from summit.kernels.detectors.auto import Auto
from summit.kernels.detectors.cusum import Cusum
from summit.kernels.detectors.ewma_chart import EwmaChart
from summit.kernels.detectors.holt_winters import HoltWinters
from summit.kernels.detectors.iqr import Iqr
from summit.kernels.detectors.judged import Detector, Score
from summit.kernels.detectors.moving_average import MovingAverage
from summit.kernels.detectors.page_hinkley import PageHinkley
from summit.kernels.detectors.robust_zscore import RobustZScore
from summit.kernels.detectors.seasonal import Seasonal
from summit.kernels.detectors.spot import Spot
from summit.kernels.detectors.zscore import ZScore
from summit.kernels.trees.half_space_trees import HalfSpaceTrees
from summit.kernels.trees.random_cut_forest import RandomCutForest

PAST_POINTS_MIN = 10
_DSPOT_DEPTH = 50
_SIGMAS, _TENS = "standard deviations", "powers of ten"


def detector_of(
    method: str, *, limit: float | None = None, window: int | None = None,
    period: int | None = None, seed: int = 0,
) -> Detector:  # fmt: skip
    """A detector of a stream by the name of its method; one for each series.

    Args:
        method: A name of `STREAMING`.
        limit: In the method's own units; its default when None. Of `adwin`, `spot` and `dspot` the
            chance of a false alarm.
        window: How many values before count, or from how many first ones is learned.
        period: Of the season in values: `auto`, `seasonal`, `holt-winters`.
        seed: Of the trees' chance.
    Raises: Invalid("config.invalid").

    Example:
        >>> detector = detector_of("mad", limit=5)
        >>> [detector.update(value).flagged for value in [3, 4, 5] * 5 + [90]][-1]
        True
    """
    make = _MAKERS.get(method)
    if make is None:
        reason = f"method '{method}' has no detector of streams; there are {', '.join(STREAMING)}"
        raise Invalid("config.invalid", reason=reason, pointer="/method")
    return make(limit, window, period, seed)


def load_detector(method: str, state: dict[str, Any]) -> Detector:
    """One that goes on as the dumped one would have. Raises: Invalid("config.invalid")."""
    return type(detector_of(method)).load(state)


def explain(method: str, value: float, score: Score) -> str:
    """What a score says, in a sentence.

    Example:
        >>> explain("zscore", 40, Score(True, 10.4, 21.25, 3.0, "ready"))
        '40 where 10.4 is expected: 21.2 standard deviations above (limit 3)'
    """
    if score.expected is None or score.deviation is None:
        return {"missing": "no finite number"}.get(score.state, "not enough data")
    return describe(method, value, score.expected, score.deviation, score.limit, score.parts)


def describe(
    method: str, value: float, expected: float, deviation: float, limit: float,
    parts: dict[str, float] | None = None,
) -> str:  # fmt: skip
    """`explain` of the single numbers."""
    unit = _UNITS.get(method, _SIGMAS)
    side = "" if method in _UNSIGNED else " above" if deviation >= 0 else " below"
    text = (
        f"{value:.6g} where {expected:.6g} is expected: {abs(deviation):.3g} {unit}{side} "
        f"(limit {limit:.3g})"
    )
    if parts:
        said = sorted(parts.items(), key=lambda part: -part[1])
        text += "; " + ", ".join(f"{name} {size:.2g}" for name, size in said if size >= 0.05)
    return text


def _set(**settings: Any) -> dict[str, Any]:
    return {name: value for name, value in settings.items() if value is not None}


def _past(window: int | None) -> dict[str, int]:
    if window is None:
        return {}
    return {"window": window, "points_min": min(window, PAST_POINTS_MIN)}


_Maker = Callable[[float | None, int | None, int | None, int], Detector]
_MAKERS: Final[dict[str, _Maker]] = {
    "auto": lambda limit, window, period, seed: Auto(**_set(limit=limit, period=period)),
    "zscore": lambda limit, window, period, seed: ZScore(**_set(threshold=limit), **_past(window)),
    "iqr": lambda limit, window, period, seed: Iqr(**_set(sensitivity=limit), **_past(window)),
    "moving-average": lambda limit, window, period, seed: MovingAverage(
        **_set(sensitivity=limit, window=window)
    ),
    "mad": lambda limit, window, period, seed: RobustZScore(
        **_set(threshold=limit), **_past(window)
    ),
    "seasonal": lambda limit, window, period, seed: Seasonal(**_set(limit=limit, period=period)),
    "holt-winters": lambda limit, window, period, seed: HoltWinters(
        **_set(limit=limit, period=period)
    ),
    "ewma": lambda limit, window, period, seed: EwmaChart(**_set(limit=limit, warmup=window)),
    "cusum": lambda limit, window, period, seed: Cusum(**_set(limit=limit, warmup=window)),
    "page-hinkley": lambda limit, window, period, seed: PageHinkley(
        **_set(limit=limit, warmup=window)
    ),
    "adwin": lambda limit, window, period, seed: Adwin(**_set(delta=limit, warmup=window)),
    "spot": lambda limit, window, period, seed: Spot(**_set(risk=limit, warmup=window)),
    "dspot": lambda limit, window, period, seed: Spot(
        depth=_DSPOT_DEPTH, **_set(risk=limit, warmup=window)
    ),
    "half-space-trees": lambda limit, window, period, seed: HalfSpaceTrees(
        seed=seed, **_set(limit=limit, window=window)
    ),
    "random-cut-forest": lambda limit, window, period, seed: RandomCutForest(
        seed=seed, **_set(limit=limit, window=window)
    ),
}
STREAMING: Final = tuple(_MAKERS)
_UNITS: Final = {
    "iqr": "spreads of the quartiles", "isolation-forest": "of 1 in isolation",
    "adwin": "times what chance allows", "auto": _TENS, "spot": _TENS, "dspot": _TENS,
    "half-space-trees": _TENS, "random-cut-forest": _TENS,
}  # fmt: skip
_UNSIGNED: Final = {"isolation-forest", "half-space-trees", "random-cut-forest"}
