"""Prometheus' text: read back by its own parser, capped, with histograms that add up."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.parser import text_string_to_metric_families

from summit.base.histogram import BOUNDS_MS, Histogram, buckets
from summit.services.prometheus_text import SERIES_MAX, prometheus_response
from summit.services.service_families import Requests


class Many:
    """A family with as many series as there are topics."""

    def __init__(self, count: int) -> None:
        self._count = count

    def collect(self) -> Iterator[Metric]:
        family = GaugeMetricFamily("many", "Many", labels=["topic"])
        for number in range(self._count):
            family.add_metric([f"t{number}"], number)
        yield family


def read(*families: Many | Requests) -> dict[str, Metric]:
    text = bytes(prometheus_response(*families).body).decode()
    return {family.name: family for family in text_string_to_metric_families(text)}


def test_more_series_than_the_limit_are_counted_not_shown() -> None:
    found = read(Many(SERIES_MAX + 7))
    assert len(found["many"].samples) == SERIES_MAX
    (hidden,) = found["summit_metrics_hidden_series"].samples
    assert (hidden.labels, hidden.value) == ({"family": "many"}, 7)
    assert len(read(Many(SERIES_MAX))["summit_metrics_hidden_series"].samples) == 0


def test_every_answer_has_its_process_and_version() -> None:
    found = read(Many(1))
    assert found["process_resident_memory_bytes"].samples[0].value > 1_000_000
    assert found["summit_build_info"].samples[0].labels["version"]


def test_requests_by_route() -> None:
    requests = Requests("s")
    for took_ms in (0.2, 3, 3, 20_000):
        requests.add("GET", "/api/topics/{name}", 200, took_ms)
    requests.add("LONGMETHOD", "unknown", 404, 1)
    family = read(requests)["summit_http_request_duration_seconds"]
    of_route = [s for s in family.samples if s.labels["route"] == "/api/topics/{name}"]
    by_end = {s.labels["le"]: s.value for s in of_route if s.name.endswith("_bucket")}
    assert (by_end["0.0005"], by_end["0.005"], by_end["10"], by_end["+Inf"]) == (1, 3, 3, 4)
    (total,) = [s.value for s in of_route if s.name.endswith("_sum")]
    assert total == pytest.approx(20.0062)
    assert {s.labels["method"] for s in family.samples} == {"GET", "other"}


def test_a_histogram_counts_what_lies_on_a_bound_below_it() -> None:
    took = Histogram()
    for bound in BOUNDS_MS:
        took.add(bound)
    ends, _ = buckets(took.told())
    assert [count for _, count in ends] == [*range(1, len(BOUNDS_MS) + 1), len(BOUNDS_MS)]
    assert buckets([]) == ([(end, 0.0) for end, _ in ends], 0.0)
