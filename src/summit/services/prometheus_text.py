"""Prometheus' text form of what collectors of families give, and the parts that they share.

A family shows at most `SERIES_MAX` series; what is beyond is counted, so that ten thousand topics
do not drown whoever scrapes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final, Protocol

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import GaugeMetricFamily, HistogramMetricFamily, Metric

from summit import __version__
from summit.base.histogram import buckets
from summit.web import Response, text_response

SERIES_MAX: Final = 5_000
_MEDIA: Final = "text/plain; version=0.0.4; charset=utf-8"


class Families(Protocol):
    """What gives families when it is asked."""

    def collect(self) -> Iterable[Metric]: ...


class Capped:
    """The same families, each with a bounded number of series."""

    def __init__(self, *families: Families, series_max: int = SERIES_MAX) -> None:
        self._families = families
        self._series_max = series_max

    def collect(self) -> Iterator[Metric]:
        """The families, then how much of which is not shown."""
        hidden = GaugeMetricFamily(
            "summit_metrics_hidden_series", "Series above the limit of a family", labels=["family"]
        )
        for source in self._families:
            for family in source.collect():
                over = len(family.samples) - self._series_max
                if over > 0:
                    del family.samples[self._series_max :]
                    hidden.add_metric([family.name], over)
                yield family
        info = GaugeMetricFamily("summit_build_info", "The version", labels=["version"])
        info.add_metric([__version__], 1)
        yield info
        yield hidden


def prometheus_response(*families: Families) -> Response:
    """An answer with all the families, and with those of this process."""
    registry = CollectorRegistry(auto_describe=False)
    ProcessCollector(registry=registry)
    registry.register(Capped(*families))
    text = generate_latest(registry).decode()
    return text_response(text, headers={"Content-Type": _MEDIA})


def histogram(
    name: str, text: str, labels: Sequence[str], rows: Iterable[tuple[list[str], Sequence[float]]]
) -> HistogramMetricFamily:
    """A family of durations.

    Args:
        name: Ends in `_seconds`.
        rows: The values of the labels, and what a histogram has told (`base/histogram.py`).
    """
    family = HistogramMetricFamily(name, text, labels=labels)
    for names, told in rows:
        found, sum_s = buckets(told)
        family.add_metric(names, found, sum_s)
    return family
