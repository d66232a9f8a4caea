"""Prometheus' text form of what a collector of families gives."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, Protocol

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import Metric

from summit.web import Response, text_response

_MEDIA: Final = "text/plain; version=0.0.4; charset=utf-8"


class Families(Protocol):
    """What gives families when it is asked."""

    def collect(self) -> Iterable[Metric]: ...


def prometheus_response(families: Families) -> Response:
    """An answer with all the families."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(families)
    text = generate_latest(registry).decode()
    return text_response(text, headers={"Content-Type": _MEDIA})
